"""Estimates keep their order through every operation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.estimate import Estimate, exactly, total

positive = st.floats(min_value=1e-3, max_value=1e6)
estimates = st.lists(positive, min_size=3, max_size=3).map(
    lambda values: Estimate(**dict(zip(("low", "likely", "high"), sorted(values), strict=True)))
)


@given(estimates, estimates, positive)
def test_every_operation_keeps_low_likely_and_high_in_order(
    one: Estimate, other: Estimate, factor: float
) -> None:
    for made in (
        one + other,
        one.scaled(factor),
        one.inverse(factor),
        one.capped(factor),
        total([one, other]),
    ):
        assert made.low <= made.likely <= made.high


def test_the_slowest_rate_takes_longest() -> None:
    assert Estimate(low=1, likely=2, high=4).inverse(8) == Estimate(low=2, likely=4, high=8)


def test_a_sum_is_of_the_best_and_of_the_worst_at_once() -> None:
    one = Estimate(low=1, likely=2, high=4)
    assert one + one == Estimate(low=2, likely=4, high=8)
    assert total([]) == exactly(0)


def test_a_limit_holds_for_all_three() -> None:
    assert Estimate(low=1, likely=2, high=4).capped(2) == Estimate(low=1, likely=2, high=2)
    assert Estimate(low=1, likely=2, high=4).capped(None).high == 4


def test_values_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="not in order"):
        Estimate(low=2, likely=1, high=3)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(low=80.4, likely=120.25, high=1234.5), "120 (80.4 to 1230)"),
        (Estimate(low=0.01234, likely=0.0200, high=1), "0.02 (0.0123 to 1)"),
        (exactly(42), "42"),
        (exactly(0), "0"),
    ],
)
def test_it_prints_three_digits_and_its_range(estimate: Estimate, text: str) -> None:
    assert str(estimate) == text
