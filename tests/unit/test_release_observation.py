"""What is made of Prometheus' samples: growth of counters, missing series, buckets, long prompts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.figures import quantile
from release.observation import Window, look, observation
from release.series import Series, Watched, growth
from tests.unit.release_world import SOURCES

WATCHED = Watched([Series({}, [(float(time), 1.0) for time in range(0, 300, 15)])])


def series(*values: float, start: float = 0, name: str = "x", **labels: str) -> Series:
    return Series({"__name__": name, **labels}, [(start + 15 * n, value) for n, value in enumerate(values)])


def test_growth_is_counted_from_the_last_sample_before_the_start() -> None:
    assert growth(series(10, 12, 15, 19), 20, 45, WATCHED) == 7


def test_a_reset_counts_from_zero() -> None:
    assert growth(series(10, 12, 3, 5), 0, 45, WATCHED) == 2 + 3 + 2


def test_the_first_value_of_a_series_born_with_a_failure_counts() -> None:
    assert growth(series(1, 1, 2, start=60), 10, 300, WATCHED) == 2


def test_a_series_that_reappears_with_prometheus_counts_only_what_is_seen() -> None:
    returned = Watched([Series({}, [(float(time), 1.0) for time in range(600, 700, 15)])])
    assert growth(series(5000, 5003, start=600), 100, 700, returned) == 3


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=30))
def test_growth_over_two_windows_is_the_growth_over_both(steps: list[tuple[int, bool]]) -> None:
    total, values = 0, []
    for more, reset in steps:
        total = more if reset else total + more
        values.append(float(total))
    counter, middle, end = series(*values), 15 * len(steps) / 2, 15 * len(steps)
    whole = growth(counter, 0, end, WATCHED)
    assert whole == growth(counter, 0, middle, WATCHED) + growth(counter, middle, end, WATCHED)


def ups(*names: str, until: float = 300) -> list[Series]:
    times = [float(time) for time in range(0, int(until) + 1, 15)]
    return [Series({"__name__": "up", "instance": name}, [(time, 1.0) for time in times]) for name in names]


def histogram(instance: str, counts: list[float], metric: str = "ttft") -> list[Series]:
    edges = ["0.1", "0.5", "1", "+Inf"]
    return [
        series(0, float(below), start=150, name=f"{metric}_bucket", instance=instance, le=edge)
        for edge, below in zip(edges, np.cumsum(counts), strict=True)
    ]


def window(*found: Series, seen: tuple[str, ...] = ("gateway", "chat-one", "chat-two")) -> Window:
    return Window(SOURCES, 300.0, [*ups(*seen), *found])


def good(backend: str, count: float) -> Series:
    return series(0, count, start=150, name="good_total", model_id=backend)


def test_requests_are_tries_that_ended_well_or_badly() -> None:
    bad = series(3, start=180, name="bad_total", model_id="chat-two")
    counts = window(good("chat-two", 40), bad).counts("chat-two", 140, 300)
    assert counts is not None
    assert (counts["requests"], counts["errors"]) == (43, 3)


@pytest.mark.parametrize("seen", [("gateway", "chat-one"), ("chat-one", "chat-two"), ()])
def test_counts_are_missing_where_the_version_or_the_gateway_is_not_scraped(seen: tuple[str, ...]) -> None:
    assert window(good("chat-two", 40), seen=seen).counts("chat-two", 140, 300) is None


def test_a_scrape_that_is_old_is_missing_and_not_a_zero() -> None:
    old = Window(SOURCES, 300.0, [*ups("gateway", "chat-one", "chat-two", until=200), good("chat-two", 40)])
    assert old.counts("chat-two", 140, 300) is None


def test_a_version_without_any_request_has_zeros() -> None:
    counts = window().counts("chat-two", 140, 300)
    assert counts is not None
    assert counts["requests"] == 0
    assert counts["ttft"].sum() == 0


def test_buckets_are_taken_apart_over_edges_read_from_the_series() -> None:
    seen = window(*histogram("chat-one", [1, 2, 3, 4]), *histogram("chat-two", [0, 5, 0, 1]))
    found = observation(seen, 140, 0, [])
    assert found["ttft_edges"] == (0.1, 0.5, 1.0)
    assert found["stable"]["ttft"].tolist() == [1, 2, 3, 4]
    assert found["canary"]["ttft"].tolist() == [0, 5, 0, 1]


def test_a_histogram_that_is_not_born_yet_has_zeros_over_the_others_edges() -> None:
    found = observation(window(*histogram("chat-one", [1, 2, 3, 4])), 140, 0, [])
    assert found["canary"]["ttft"].tolist() == [0, 0, 0, 0]


def test_buckets_over_other_edges_are_not_compared() -> None:
    other = [
        series(0, 9, start=150, name="ttft_bucket", instance="chat-two", le=edge) for edge in ("0.2", "+Inf")
    ]
    found = observation(window(*histogram("chat-one", [1, 2, 3, 4]), *other), 140, 0, [])
    assert "ttft_edges" not in found
    assert found["canary"]["ttft"].sum() == 0


def test_an_earlier_step_over_other_buckets_is_left_out() -> None:
    seen = window(*histogram("chat-one", [1, 2, 3, 4]), *histogram("chat-two", [0, 5, 0, 1]))
    fits: dict[str, Any] = {"ttft": np.zeros(4), "tpot": np.zeros(1)}
    other: dict[str, Any] = {"ttft": np.zeros(7), "tpot": np.zeros(1)}
    assert len(observation(seen, 140, 0, [(fits, fits), (other, other)])["previous"]) == 1


def test_the_warm_up_is_left_out_of_the_warm_counts_only() -> None:
    early = series(0, 30, 30, start=150, name="good_total", model_id="chat-two")
    found = observation(window(early), 140, 60, [])
    assert found["canary"]["requests"] == 30
    assert found["canary_warm"]["requests"] == 0


def test_every_query_of_a_look_is_made_at_one_time() -> None:
    asked: list[tuple[str, float]] = []

    def query(selector: str, at: float) -> list[Series]:
        asked.append((selector, at))
        return []

    look(query, SOURCES, 100.0, 400.0)
    assert {at for _, at in asked} == {400.0}
    assert all(selector.endswith("[365s]") for selector, _ in asked), "from a little before the start"
    assert all('namespace="llmserve"' in selector for selector, _ in asked)


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.3), (0.25, 0.1), (1.0, 1.0)])
def test_quantiles_lie_evenly_within_a_bucket(share: float, seconds: float) -> None:
    assert quantile((0.1, 0.5, 1.0), np.array([5.0, 10.0, 0.0, 5.0]), share) == pytest.approx(seconds)


def test_a_quantile_of_nothing_is_not_known() -> None:
    assert quantile((0.1,), np.zeros(2), 0.5) is None
