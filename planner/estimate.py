"""A number that is not measured: its likely value and the range it may lie in."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Low, likely and high value of one quantity; the unit is in the name of the field that holds it."""

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"not in order: {self.low}, {self.likely}, {self.high}")

    def __add__(self, other: "Estimate") -> "Estimate":
        """Sum of two quantities; the range is that of both at their worst, and at their best, at once."""
        return Estimate(
            low=self.low + other.low, likely=self.likely + other.likely, high=self.high + other.high
        )

    def __contains__(self, value: float) -> bool:
        """Whether a value lies in the range."""
        return self.low <= value <= self.high

    def scaled(self, factor: float) -> "Estimate":
        """The same quantity in another unit; `factor` is positive."""
        return Estimate(low=self.low * factor, likely=self.likely * factor, high=self.high * factor)

    def inverse(self, amount: float) -> "Estimate":
        """`amount` divided by this rate: seconds from a speed, a speed from seconds."""
        return Estimate(low=amount / self.high, likely=amount / self.likely, high=amount / self.low)

    def capped(self, limit: float | None) -> "Estimate":
        """This rate where nothing is faster than `limit`; None = no limit."""
        if limit is None:
            return self
        return self.mapped(lambda value: min(value, limit))

    def mapped(self, change: Callable[[float], float]) -> "Estimate":
        """Apply a function that keeps the order."""
        return Estimate(low=change(self.low), likely=change(self.likely), high=change(self.high))

    def __str__(self) -> str:
        """Three significant digits: `12 (8 to 20)`, or one number where all three are the same."""
        if self.low == self.high:
            return _rounded(self.likely)
        return f"{_rounded(self.likely)} ({_rounded(self.low)} to {_rounded(self.high)})"


def exactly(value: float) -> Estimate:
    """A quantity without a range: measured, or given."""
    return Estimate(low=value, likely=value, high=value)


def total(parts: Iterable[Estimate]) -> Estimate:
    """Sum of quantities; of none it is exactly 0."""
    return sum(parts, exactly(0))


def _rounded(value: float) -> str:
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, digits):.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
