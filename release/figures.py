"""One version's counts as figures for people. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from release.journal import Figures


def figures(counts: Mapping[str, Any] | None) -> Figures | None:
    """Requests, errors and quantiles of one version; None where its series are missing."""
    if counts is None:
        return None
    return Figures(
        requests=counts["requests"],
        errors=counts["errors"],
        **{
            f"{metric}_p{percent}_seconds": quantile(counts[f"{metric}_edges"], counts[metric], percent / 100)
            for metric in ("ttft", "tpot")
            for percent in (50, 95)
        },
    )


def quantile(edges: Sequence[float], counts: Any, share: float) -> float | None:
    """Quantile from bucket counts, as Prometheus' histogram_quantile: even within a bucket.

    None without observations; beyond the last edge, that edge.
    """
    below = np.cumsum(counts)
    if not edges or not below[-1]:
        return None
    place = int(np.searchsorted(below, share * below[-1]))
    if place >= len(edges):
        return float(edges[-1])
    lower, before = (edges[place - 1], below[place - 1]) if place else (0.0, 0.0)
    part = (share * below[-1] - before) / (below[place] - before)
    return float(lower + (edges[place] - lower) * part)
