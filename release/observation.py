"""What Prometheus knows of both versions, as the judge wants it.

All queries of one look are made at one time, over the same window, which begins when the gateway's roll to
the step's weights has ended. Failures are tries by backend, so that a fallback hides none of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from release.series import UNSEEN_SECONDS, Series, Watched, growth, is_fresh

Query = Callable[[str, float], list[Series]]
"""Runs a PromQL range selector at a time, Unix seconds."""
LONG_PROMPT_SHARE = 0.85
"""Prompts beyond this quantile of stable's are long ones (canary study, section 6)."""


@dataclass(frozen=True, kw_only=True)
class Histograms:
    """Names without `_bucket` of what one kind of source measures; None = it does not."""

    ttft: str | None
    tpot: str | None
    prompt_tokens: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the series of two versions are, and how they are called."""

    namespace: str
    instance_label: str
    """Label of engine series whose value is the version's workload."""
    backend_label: str
    """Label of the gateway's series with the same value."""
    gateway: str
    """Workload of the gateway."""
    old: str
    new: str
    """Workloads of both versions."""
    success: str
    failure: str
    cooled_down: str
    """Counters of the gateway."""
    not_its_fault: str
    """Regular expression of `exception_class` that is booked on a backend without being its fault."""
    engine: Histograms | None
    """Of the engines, if both versions run the same one; their buckets could not be compared else."""
    engine_finished: str | None
    """Counter of the engines by `finished_reason`, of which `abort` is a client that went away."""
    fallback: Histograms
    """Of the gateway: coarser, and of streams only."""


@dataclass(frozen=True)
class Window:
    """All series of one look."""

    sources: Sources
    now: float
    series: Sequence[Series]

    @property
    def _ups(self) -> list[Series]:
        return [one for one in self.series if one.labels["__name__"] == "up"]

    def is_seen(self, workload: str) -> bool:
        """Whether a workload is scraped now."""
        label = self.sources.instance_label
        return is_fresh([one for one in self._ups if one.labels.get(label) == workload], self.now)

    def counts(self, workload: str, start: float, end: float) -> dict[str, Any] | None:
        """The version's counts after `start` until `end`; None where its series or the gateway's lack."""
        sources = self.sources
        if not (self.is_seen(workload) and self.is_seen(sources.gateway)):
            return None
        watched = Watched(self._ups)
        mine = [
            one
            for one in self.series
            if workload in (one.labels.get(sources.instance_label), one.labels.get(sources.backend_label))
        ]

        def grown(name: str, keep: Callable[[Mapping[str, str]], bool] = lambda _: True) -> float:
            found = [one for one in mine if one.labels["__name__"] == name and keep(one.labels)]
            return sum((growth(one, start, end, watched) for one in found), 0.0)

        def buckets(name: str | None) -> tuple[tuple[float, ...], Any]:
            if name is None:
                return (), np.zeros(1)
            below: dict[float, float] = {}
            for one in mine:
                if one.labels["__name__"] == f"{name}_bucket":
                    edge = float(one.labels["le"])
                    below[edge] = below.get(edge, 0.0) + growth(one, start, end, watched)
            if not below:
                return (), np.zeros(1)
            edges = sorted(below)
            counts = np.diff([below[edge] for edge in edges], prepend=0.0)
            return tuple(edge for edge in edges if edge != math.inf), np.maximum(counts, 0.0)

        errors = grown(sources.failure)
        histograms = sources.engine or sources.fallback
        ttft_edges, ttft = buckets(histograms.ttft)
        tpot_edges, tpot = buckets(histograms.tpot)
        prompt_edges, prompts = buckets(histograms.prompt_tokens)
        return {
            "requests": grown(sources.success) + errors,
            "errors": errors,
            "aborts": grown(sources.engine_finished, lambda labels: labels.get("finished_reason") == "abort")
            if sources.engine_finished
            else 0.0,
            "cooldowns": grown(sources.cooled_down),
            "long_prompts": 0.0,  # by `_with_long_prompts`: needs both versions
            "ttft": ttft,
            "tpot": tpot,
            "ttft_edges": ttft_edges,
            "tpot_edges": tpot_edges,
            "prompts": prompts,
            "prompt_edges": prompt_edges,
        }

    def both(self, start: float, end: float) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Counts of the old and of the new version over the same buckets."""
        old, new = (self.counts(name, start, end) for name in (self.sources.old, self.sources.new))
        if old is not None and new is not None:
            for metric in ("ttft", "tpot", "prompt"):
                _same_edges(old, new, metric)
            _with_long_prompts(old, new)
        return old, new


def look(query: Query, sources: Sources, start: float, now: float) -> Window:
    """Ask for all series since `start`, and a little before: a counter's value at the start."""
    seconds = math.ceil(now - start + UNSEEN_SECONDS)
    place = f'namespace="{sources.namespace}"'
    both = f"{sources.old}|{sources.new}"
    names = [*_names(sources.engine), *([sources.engine_finished] if sources.engine_finished else [])]
    counters = [sources.success, sources.cooled_down]
    if sources.engine is None:
        counters += _names(sources.fallback)
    backend = f'{sources.backend_label}=~"{both}"'
    fault = f'exception_class!~"{sources.not_its_fault}"'
    selectors = [
        f'up{{{place},{sources.instance_label}=~"{both}|{sources.gateway}"}}',
        f'{{__name__=~"{"|".join(counters)}",{place},{backend}}}',
        f"{sources.failure}{{{place},{backend},{fault}}}",
    ]
    if names:
        selectors.append(f'{{__name__=~"{"|".join(names)}",{place},{sources.instance_label}=~"{both}"}}')
    found = [series for selector in selectors for series in query(f"{selector}[{seconds}s]", now)]
    return Window(sources, now, found)


def observation(
    window: Window, start: float, warmup_seconds: float, previous: Sequence[tuple[Any, Any]]
) -> dict[str, Any]:
    """Return the measured part of what `release.analysis.decide` takes."""
    now = window.now
    old, new = window.both(start, now)
    warm_old, warm_new = window.both(min(start + warmup_seconds, now), now)
    edges = {
        f"{metric}_edges": new[f"{metric}_edges"]
        for metric in ("ttft", "tpot")
        if new is not None and new[f"{metric}_edges"]
    }
    return {
        "stable": old,
        "canary": new,
        "stable_warm": warm_old,
        "canary_warm": warm_new,
        "window": lambda seconds: window.both(max(start, now - seconds), now),
        "previous": [pair for pair in previous if _fits(pair, new)],
        **edges,
    }


def _names(histograms: Histograms | None) -> list[str]:
    if histograms is None:
        return []
    names = (histograms.ttft, histograms.tpot, histograms.prompt_tokens)
    return [f"{name}_bucket" for name in names if name]


def _same_edges(old: dict[str, Any], new: dict[str, Any], metric: str) -> None:
    """A histogram without observations has no series yet: it gets the other's edges, and zeros."""
    counts, edges = ("prompts" if metric == "prompt" else metric), f"{metric}_edges"
    for one, other in ((old, new), (new, old)):
        if not one[edges] and other[edges]:
            one[edges], one[counts] = other[edges], np.zeros(len(other[counts]))
    if old[edges] != new[edges]:  # e.g. another release of the engine: nothing can be compared
        for one in (old, new):
            one[edges], one[counts] = (), np.zeros(1)


def _with_long_prompts(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Count prompts beyond the edge nearest stable's quantile."""
    total = old["prompts"].sum()
    if not total:
        return
    edge = int(np.argmin(np.abs(np.cumsum(old["prompts"]) / total - LONG_PROMPT_SHARE)))
    for one in (old, new):
        # of requests that an engine has answered: the share is what counts, so it is carried over to all
        answered = one["prompts"].sum()
        one["long_prompts"] = one["requests"] * one["prompts"][edge + 1 :].sum() / max(answered, 1.0)


def _fits(pair: tuple[Any, Any], new: dict[str, Any] | None) -> bool:
    """Whether an earlier step was counted over the buckets of now."""
    return new is None or all(
        len(one[metric]) == len(new[metric]) for one in pair for metric in ("ttft", "tpot")
    )
