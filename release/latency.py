"""Is the canary slower than `ratio` times stable? Answered from histogram buckets alone. Pure.

Stable's cumulative distribution at the bucket edges is carried to a normal scale, where moving it by
ln(ratio) and interpolating is benign; the canary's observations are then ranked in it (ridits), which is the
rank test of two samples for grouped data. A second test counts the canary's observations beyond stable's 90th
percentile, for a tail that grew while the body did not. Formulas: the canary study, section 4.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, sqrt
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

Counts = Any
"""Array of observations per bucket, not cumulative, the bucket without an upper edge last."""
TAIL_SHARE = 0.9
TAIL_OBSERVATIONS = 8
"""Observations in the tail below which its share is not tested."""
BOUNDARY_MASS = 20.0
"""Sample size at which the mixture boundary is tightest."""


@dataclass(frozen=True)
class Score:
    """How far the canary lies above `ratio` times stable, in standard deviations, over all steps."""

    body: float
    tail: float
    weight: float
    """n_c·n_s/(n_c+n_s) summed over the steps: the sample size that counts."""


class Latency:
    """One metric of both versions: each step's pair of bucket counts over the same edges."""

    def __init__(self, edges: Any, steps: Sequence[tuple[Counts, Counts]]) -> None:
        """`steps` are (stable, canary); those in which one saw nothing do not count."""
        self._log_edges = np.log(edges)
        self._steps = [
            (canary, n_canary, n_stable, _normal_scale(stable, n_stable))
            for stable, canary in steps
            if (n_canary := float(canary.sum())) > 0 and (n_stable := float(stable.sum())) > 0
        ]
        self.observations = sum(n_canary for _, n_canary, _, _ in self._steps)
        """Of the canary."""

    def score(self, ratio: float) -> Score:
        """Compare the canary with `ratio` times stable."""
        body = tail = total = tail_weight = 0.0
        shifted = self._log_edges - np.log(ratio)
        for canary, n_canary, n_stable, scale in self._steps:
            below = ndtr(np.interp(shifted, self._log_edges, scale))
            shares = np.diff(below, prepend=0.0, append=1.0)
            ranks = np.cumsum(shares) - shares / 2
            weight = n_canary * n_stable / (n_canary + n_stable)
            variance = max(1.0 - float((shares**3).sum()), 1e-9) / 12 / weight
            body += weight**0.5 * (float(canary @ ranks) / n_canary - 0.5) / variance**0.5
            total += weight
            edge = int(np.searchsorted(below, TAIL_SHARE))
            beyond = float(canary[edge + 1 :].sum())
            if edge < len(below) and beyond >= TAIL_OBSERVATIONS:
                share = max(1.0 - float(below[edge]), 1e-6)
                spread = (share * (1 - share) / weight) ** 0.5
                tail += weight**0.5 * (beyond / n_canary - share) / spread
                tail_weight += weight
        return Score(
            body=body / total**0.5 if total else 0.0,
            tail=tail / tail_weight**0.5 if tail_weight else 0.0,
            weight=total,
        )


def boundary(weight: float, alpha: float) -> float:
    """Z beyond which a score of sample size `weight` is too high at any look, with chance `alpha`."""
    mass = weight + BOUNDARY_MASS
    return sqrt(mass / weight * (log(mass / BOUNDARY_MASS) - 2 * log(alpha))) if weight > 0 else inf


def _normal_scale(counts: Counts, total: float) -> Any:
    """Probits of the cumulative shares at the edges, kept off 0 and 1 by half an observation."""
    return ndtri((np.cumsum(counts)[:-1] + 0.5) / (total + 1.0))
