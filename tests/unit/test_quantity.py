"""Quantities are written as the API server stores them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import quantity

_UNITS = {"m": 1 / 1000, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Mi": 1, "Gi": 1024, "Ti": 1024**2, "Pi": 1024**3}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (quantity.cpu(6000), "6"),
        (quantity.cpu(6500), "6500m"),
        (quantity.mebibytes(24576), "24Gi"),
        (quantity.mebibytes(24577), "24577Mi"),
        (quantity.gibibytes(100), "100Gi"),
        (quantity.gibibytes(2048), "2Ti"),
        (quantity.number(0.6), "600m"),
        (quantity.number(22.4), "22400m"),
        (quantity.number(5), "5"),
        (quantity.number(2000), "2k"),
        (quantity.number(2500), "2500"),
    ],
)
def test_the_largest_unit_without_a_fraction_is_used(written: str, stored: str) -> None:
    assert written == stored


@given(value=st.floats(0.001, 1e6))
def test_a_number_keeps_its_value_to_a_thousandth(value: float) -> None:
    text = quantity.number(value)
    digits = text.rstrip("mkMGTP")
    assert float(digits) * _UNITS.get(text[len(digits) :], 1) == pytest.approx(value, abs=0.0005)


@given(count=st.integers(1, 2**40))
def test_a_size_keeps_its_value(count: int) -> None:
    text = quantity.mebibytes(count)
    assert int(text[:-2]) * _BINARY[text[-2:]] == count
