"""Counters of Prometheus as raw samples, and how much they grew. Pure.

`increase()` is not used: it extrapolates, and does not see the first value of a series that is born with a
failure (canary study, section 6, traps 1 and 2).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Sample = tuple[float, float]
"""Unix seconds, value."""
UNSEEN_SECONDS = 65.0
"""A target whose last sample is older was not watched: two scrapes of the slowest usual interval."""


@dataclass(frozen=True)
class Series:
    """One series: its labels, with `__name__`, and its samples in time's order."""

    labels: Mapping[str, str]
    samples: Sequence[Sample]


class Watched:
    """When Prometheus was watching at all, by the samples of `up` of any target."""

    def __init__(self, ups: Iterable[Series]) -> None:
        self._times = sorted(time for series in ups for time, _ in series.samples)

    def before(self, moment: float) -> bool:
        """Whether it had looked shortly before."""
        place = bisect_left(self._times, moment)
        return place > 0 and moment - self._times[place - 1] <= UNSEEN_SECONDS


def growth(series: Series, start: float, end: float, watched: Watched) -> float:
    """How much a counter grew after `start` until `end`; a reset counts from 0.

    A series that is born in between counts from 0 if Prometheus was watching before: its pod or its first
    failure is new. Else it was away, and what the series had before is not known.
    """
    times = [time for time, _ in series.samples]
    first, last = bisect_right(times, start), bisect_right(times, end)
    grown, before = 0.0, series.samples[first - 1][1] if first else None
    for time, value in series.samples[first:last]:
        if before is None:
            grown += value if watched.before(time) else 0.0
        else:
            grown += value - before if value >= before else value
        before = value
    return grown


def is_fresh(ups: Iterable[Series], now: float) -> bool:
    """Whether any of these targets was scraped well lately."""
    return any(
        series.samples and series.samples[-1][1] == 1 and now - series.samples[-1][0] <= UNSEEN_SECONDS
        for series in ups
    )
