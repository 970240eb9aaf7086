"""Judges a canary against the stable version at any moment of a step. Pure; docs/releases.md has it in words.

Errors: an e-process on "which version did the failure hit", valid at every look by Ville's inequality (Lindon
& Malek, NeurIPS 2022). Latency: rank scores of buckets under a normal-mixture boundary (Howard & Ramdas,
Bernoulli 2022). Advancing needs proof that the canary is not worse than the step's limit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan, sqrt
from typing import Any, Literal

from scipy.special import ndtri

from infra.stackfile.releases import AnalysisSettings, RatioPerExposure
from release.failures import Failures
from release.latency import Latency, Score, boundary

Verdict = Literal["advance", "wait", "abort", "inconclusive"]
Counts = Mapping[str, Any]
"""Of one version: requests, errors, aborts, long_prompts, cooldowns; ttft and tpot, arrays per bucket."""
Observation = Mapping[str, Any]
"""step, weight, last, elapsed, stable, canary (Counts since the step began or None), stable_warm, canary_warm
(the same without the warm-up), window (seconds -> both Counts), previous (pairs of warm Counts of earlier
steps), state (a dict that is kept); optional ttft_edges and tpot_edges, seconds; optional keep_seconds: there
is no stable version to compare with, look for hard stops alone for so long."""

# vLLM's own bucket edges, seconds (canary study, simulator; vllm/v1/metrics/loggers.py).
_LONG = (1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
TTFT_EDGES = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, *_LONG, 160.0, 640.0, 2560.0)
TPOT_EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, *_LONG)
_DEFAULTS = AnalysisSettings()


@dataclass(frozen=True)
class _Metric:
    """A latency metric: both versions' observations in all steps, warm-ups left out, and its numbers."""

    name: str
    key: str
    edges: tuple[float, ...]
    latency: Latency
    tolerated: float
    limits: RatioPerExposure


def decide(observation: Observation, rules: AnalysisSettings = _DEFAULTS) -> tuple[Verdict, str]:
    """Return the verdict on a step as it stands, and a sentence that says why."""
    stable, canary = observation["stable"], observation["canary"]
    is_late = observation["elapsed"] >= rules.max_wait_seconds
    if told := _missing(observation, stable, canary, rules):
        return ("inconclusive" if told[1] or is_late else "wait"), told[0]
    failures = _failures(observation, rules)
    if reason := _hard_stop(canary, stable, rules) or _failing(failures, rules):
        return "abort", reason
    if (keep := observation.get("keep_seconds")) is not None:
        words = f"no hard stop in {observation['elapsed']:.0f} of {keep} s, {canary['requests']:.0f} requests"
        return ("advance" if observation["elapsed"] >= keep else "wait"), words
    metrics = _metrics(observation, rules)
    slow, slow_reason = _slow(observation, metrics, rules)
    if slow:
        return "abort", slow_reason
    if observation["elapsed"] < rules.hold_seconds:
        return "wait", f"{observation['elapsed']:.0f} of at least {rules.hold_seconds} s at this weight"
    if slow_reason:
        doubts = [slow_reason]
    elif thin := _too_thin(observation, canary, rules):
        return "advance", thin
    else:
        doubts = _not_excluded(observation, failures, metrics, rules)
    if not doubts:
        return "advance", f"no worse than the limits of this weight, by {canary['requests']:.0f} requests"
    return ("inconclusive" if is_late else "wait"), "not shown yet: " + "; ".join(doubts)


def _missing(
    observation: Observation, stable: Counts | None, canary: Counts | None, rules: AnalysisSettings
) -> tuple[str, bool] | None:
    """What is missing, and whether it has been for too long."""
    state, now = observation["state"], observation["elapsed"]
    lacking = [
        name
        for name, counts in (("stable", stable), ("canary", canary))
        if counts is None or isnan(counts["requests"])
    ]
    if not lacking:
        state.pop("missing_since", None)
        return None
    since = state.setdefault("missing_since", now)
    words = f"Prometheus has no series of {' and '.join(lacking)} for {now - since:.0f} s"
    return words, now - since >= rules.missing_seconds


def _errors(counts: Counts, rules: AnalysisSettings) -> float:
    """Errors, or what cooldowns tell of errors that fallbacks hid."""
    return float(max(counts["errors"], rules.failures_per_cooldown * counts["cooldowns"]))


def _failures(observation: Observation, rules: AnalysisSettings) -> tuple[Failures, Failures]:
    steps = [*observation["previous"], (observation["stable"], observation["canary"])]

    def of(name: str, failed: Callable[[Counts], float]) -> Failures:
        return Failures(
            name, [(failed(new), new["requests"], failed(old), old["requests"]) for old, new in steps]
        )

    return (
        of("errors", lambda counts: _errors(counts, rules)),
        of("aborts", lambda counts: float(counts["aborts"])),
    )


def _hard_stop(canary: Counts, stable: Counts, rules: AnalysisSettings) -> str:
    """Why to end at once, whatever the statistics say; empty if there is no reason to."""
    failed, requests = _errors(canary, rules), canary["requests"]
    stable_share = _errors(stable, rules) / stable["requests"] if stable["requests"] else 0.0
    if (
        failed >= rules.hard_stop_failures
        and failed >= rules.hard_stop_percent / 100 * requests
        and stable_share < rules.hard_stop_stable_percent / 100
    ):
        return f"hard stop: {failed:.0f} of the canary's {requests:.0f} requests failed"
    return ""


def _failing(failures: tuple[Failures, Failures], rules: AnalysisSettings) -> str:
    """Why the canary fails too often; empty if that is not shown."""
    margins = (rules.error_margin_points, rules.abort_margin_points)
    for each, margin in zip(failures, margins, strict=True):
        failed, ours, others, theirs = each.total()
        if failed < rules.min_failures:
            continue
        tolerated = max(rules.tolerated_failure_ratio, 1 + margin / 100 / each.stable_share())
        value = each.evidence(tolerated)
        if value > 1 / rules.alpha:
            return (
                f"{each.name}: {failed:.0f} of the canary's {ours:.0f} requests against "
                f"{others:.0f} of stable's {theirs:.0f}; more than {tolerated:.1f} "
                f"times as often is shown, evidence {min(value, 1e9):.0f} > {1 / rules.alpha:.0f}"
            )
    return ""


def _slow(
    observation: Observation, metrics: tuple[_Metric, _Metric], rules: AnalysisSettings
) -> tuple[bool, str]:
    """Whether to abort because the canary is slower, and why; a reason without True is a doubt."""
    is_early = observation["elapsed"] < rules.hold_seconds
    doubt = ""
    for metric in metrics:
        latency = metric.latency
        if latency.observations < rules.min_requests:
            continue
        excess = (metric.tolerated - 1) * (rules.early_excess_factor if is_early else 1)
        score = latency.score(1 + excess)
        limit = boundary(score.weight, rules.alpha)
        if max(score.body, score.tail) <= limit:
            continue
        where = "" if score.body > limit else " in its tail"
        words = (
            f"{metric.name}{where}: canary slower than {1 + excess:.2f} times stable, "
            f"z {max(score.body, score.tail):.1f} > {limit:.1f}, {latency.observations:.0f} requests"
        )
        recent = _recent(observation, metric, 1 + excess, rules)
        if max(recent.body, recent.tail) <= 1:
            doubt = doubt or f"{words}; but no longer in the last {rules.recent_seconds} s"
        elif not _same_prompts(observation):
            doubt = doubt or f"{words}; but it got another share of long prompts"
        else:
            return True, words
    return False, doubt


def _recent(observation: Observation, metric: _Metric, ratio: float, rules: AnalysisSettings) -> Score:
    stable, canary = observation["window"](rules.recent_seconds)
    if stable is None or canary is None:
        return Score(0.0, 0.0, 0.0)
    return Latency(metric.edges, [(stable[metric.key], canary[metric.key])]).score(ratio)


def _same_prompts(observation: Observation) -> bool:
    """Whether both versions got the same share of long prompts, to three standard deviations."""
    old, new = observation["stable"], observation["canary"]
    if not old["requests"] or not new["requests"]:
        return True
    share = (old["long_prompts"] + new["long_prompts"]) / (old["requests"] + new["requests"])
    spread = sqrt(max(share * (1 - share), 1e-9) * (1 / old["requests"] + 1 / new["requests"]))
    return bool(
        abs(new["long_prompts"] / new["requests"] - old["long_prompts"] / old["requests"]) <= 3 * spread
    )


def _too_thin(observation: Observation, canary: Counts, rules: AnalysisSettings) -> str:
    """Why a step that cannot prove anything is passed over; the last one never is."""
    expected = canary["requests"] * rules.max_wait_seconds / observation["elapsed"]
    if observation["last"] or expected >= rules.min_requests or canary["requests"] < rules.min_failures:
        return ""
    if _errors(canary, rules) > 1:
        return ""
    return (
        f"too little traffic for {observation['weight']} %: {canary['requests']:.0f} requests, about "
        f"{expected:.0f} of {rules.min_requests} by the end; a later step must prove it"
    )


def _not_excluded(
    observation: Observation,
    failures: tuple[Failures, Failures],
    metrics: tuple[_Metric, _Metric],
    rules: AnalysisSettings,
) -> list[str]:
    """What the step's limits do not exclude yet."""
    if observation["canary"]["requests"] < rules.min_requests:
        return [f"{observation['canary']['requests']:.0f} of {rules.min_requests} requests"]
    tier = 2 if observation["last"] or observation["weight"] >= 50 else int(observation["weight"] >= 25)
    doubts = []
    for each, limits in zip(failures, (rules.error_limit_points, rules.abort_limit_points), strict=True):
        highest, share = each.highest_share(rules.exclusion), each.stable_share()
        if highest > share + limits[tier] / 100:
            doubts.append(
                f"{each.name} may be {100 * highest:.1f} %, stable's {100 * share:.1f} % + {limits[tier]:g}"
            )
    critical = float(ndtri(rules.exclusion))
    for metric in metrics:
        seen, limit = metric.latency.observations, metric.limits[tier]
        if seen < rules.min_requests:
            doubts.append(f"{metric.name}: {seen:.0f} of {rules.min_requests} requests")
        elif (z := metric.latency.score(limit).body) > critical:
            doubts.append(f"{metric.name} may be {limit:g} times stable's, z {z:.1f}")
    return doubts


def _metrics(observation: Observation, rules: AnalysisSettings) -> tuple[_Metric, _Metric]:
    pairs = [*observation["previous"], (observation["stable_warm"], observation["canary_warm"])]
    known = [(old, new) for old, new in pairs if old is not None and new is not None]

    def of(
        key: str, edges: tuple[float, ...], tolerated: float, limits: tuple[float, float, float]
    ) -> _Metric:
        edges = observation.get(f"{key}_edges", edges)
        latency = Latency(edges, [(old[key], new[key]) for old, new in known])
        return _Metric(key.upper(), key, edges, latency, tolerated, limits)

    return (
        of("ttft", TTFT_EDGES, rules.tolerated_ttft_ratio, rules.ttft_limit_ratios),
        of("tpot", TPOT_EDGES, rules.tolerated_tpot_ratio, rules.tpot_limit_ratios),
    )
