"""Judges a canary against the stable version at any moment of a step. Pure; docs/releases.md has it in words.

Errors: an e-process on "which version did the failure hit", valid at every look by Ville's inequality (Lindon
& Malek, NeurIPS 2022). Latency: rank scores of buckets under a normal-mixture boundary (Howard & Ramdas,
Bernoulli 2022). Advancing needs proof that the canary is not worse than the step's limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isnan, log, sqrt
from typing import Any, Literal

import numpy as np
from scipy.special import betaincinv, ndtri

from infra.stackfile.releases import AnalysisSettings
from release.latency import Latency, Score

Verdict = Literal["advance", "wait", "abort", "inconclusive"]
Counts = Mapping[str, Any]
"""Of one version: requests, errors, aborts, long_prompts, cooldowns; ttft and tpot, arrays per bucket."""
Observation = Mapping[str, Any]
"""step, weight, last, elapsed, stable, canary (Counts since the step began or None), stable_warm, canary_warm
(the same without the warm-up), window (seconds -> both Counts), previous (pairs of warm Counts of earlier
steps), state (a dict that is kept); optional ttft_edges and tpot_edges, seconds."""

Pair = tuple[float, float, float, float]
"""Of one step: failures and requests of the canary, then of stable."""

WORSE = (1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Ratios of failure beyond the tolerated one that the e-process bets on, equally."""
BOUNDARY_MASS = 20.0
"""Sample size at which the mixture boundary is tightest."""
# vLLM's own bucket edges, seconds (canary study, simulator; vllm/v1/metrics/loggers.py).
_LONG = (1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
TTFT_EDGES = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, *_LONG, 160.0, 640.0, 2560.0)
TPOT_EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, *_LONG)
_DEFAULTS = AnalysisSettings()


@dataclass(frozen=True)
class _Metric:
    """A latency metric with its numbers."""

    name: str
    key: str
    edges: tuple[float, ...]
    tolerated: float
    limits: tuple[float, float, float]


def decide(observation: Observation, rules: AnalysisSettings = _DEFAULTS) -> tuple[Verdict, str]:
    """Return the verdict on a step as it stands, and a sentence that says why."""
    stable, canary = observation["stable"], observation["canary"]
    is_late = observation["elapsed"] >= rules.max_wait_seconds
    if told := _missing(observation, stable, canary, rules):
        return ("inconclusive" if told[1] or is_late else "wait"), told[0]
    steps = [*observation["previous"], (stable, canary)]
    if reason := _failing(steps, canary, stable, rules):
        return "abort", reason
    slow, slow_reason = _slow(observation, rules)
    if slow:
        return "abort", slow_reason
    if observation["elapsed"] < rules.hold_seconds:
        return "wait", f"{observation['elapsed']:.0f} of at least {rules.hold_seconds} s at this weight"
    if slow_reason:
        doubts = [slow_reason]
    elif thin := _too_thin(observation, canary, rules):
        return "advance", thin
    else:
        doubts = _not_excluded(observation, steps, rules)
    if not doubts:
        return "advance", f"no worse than the limits of this weight, by {canary['requests']:.0f} requests"
    return ("inconclusive" if is_late else "wait"), "not shown yet: " + "; ".join(doubts)


def boundary(weight: float, alpha: float) -> float:
    """Z beyond which a score of sample size `weight` is too high at any look, with chance `alpha`."""
    mass = weight + BOUNDARY_MASS
    return sqrt(mass / weight * (log(mass / BOUNDARY_MASS) - 2 * log(alpha))) if weight > 0 else inf


def evidence(pairs: Sequence[Pair], tolerated: float) -> float:
    """E-value that the canary fails more than `tolerated` times as often.

    Its mean is at most 1 if the canary is within the tolerance, whenever one looks.
    """
    logs = []
    for worse in WORSE:
        total = 0.0
        for failures, requests, others, other_requests in pairs:
            if requests <= 0 or other_requests <= 0:
                continue
            fair = tolerated * requests / (tolerated * requests + other_requests)
            bet = worse * tolerated * requests / (worse * tolerated * requests + other_requests)
            total += failures * log(bet / fair) + others * log((1 - bet) / (1 - fair))
        logs.append(total)
    top = max(logs)
    return exp(min(top, 700.0)) * sum(exp(each - top) for each in logs) / len(logs)


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


def _failures(counts: Counts, rules: AnalysisSettings) -> float:
    """Errors, or what cooldowns tell of errors that fallbacks hid."""
    return float(max(counts["errors"], rules.failures_per_cooldown * counts["cooldowns"]))


def _failing(
    steps: list[tuple[Counts, Counts]], canary: Counts, stable: Counts, rules: AnalysisSettings
) -> str:
    """Why the canary fails too often; empty if that is not shown."""
    failed, requests = _failures(canary, rules), canary["requests"]
    stable_share = _failures(stable, rules) / stable["requests"] if stable["requests"] else 0.0
    if (
        failed >= rules.hard_stop_failures
        and failed >= rules.hard_stop_percent / 100 * requests
        and stable_share < rules.hard_stop_stable_percent / 100
    ):
        return f"hard stop: {failed:.0f} of the canary's {requests:.0f} requests failed"
    for name, margin in (("errors", rules.error_margin_points), ("aborts", rules.abort_margin_points)):
        pairs = _pairs(name, steps, rules)
        failed = sum(pair[0] for pair in pairs)
        if failed < rules.min_failures:
            continue
        tolerated = max(rules.tolerated_failure_ratio, 1 + margin / 100 / _stable_share(pairs))
        value = evidence(pairs, tolerated)
        if value > 1 / rules.alpha:
            ours, theirs = (sum(pair[i] for pair in pairs) for i in (1, 3))
            return (
                f"{name}: {failed:.0f} of the canary's {ours:.0f} requests against "
                f"{sum(pair[2] for pair in pairs):.0f} of stable's {theirs:.0f}; more than {tolerated:.1f} "
                f"times as often is shown, evidence {min(value, 1e9):.0f} > {1 / rules.alpha:.0f}"
            )
    return ""


def _pairs(name: str, steps: Sequence[tuple[Counts, Counts]], rules: AnalysisSettings) -> list[Pair]:
    def failed(counts: Counts) -> float:
        return _failures(counts, rules) if name == "errors" else float(counts["aborts"])

    return [(failed(new), new["requests"], failed(old), old["requests"]) for old, new in steps]


def _stable_share(pairs: Sequence[Pair]) -> float:
    """Stable's share of failures, drawn towards 0.5 %: no failure yet does not mean that none comes."""
    return (sum(pair[2] for pair in pairs) + 0.5) / (sum(pair[3] for pair in pairs) + 100)


def _slow(observation: Observation, rules: AnalysisSettings) -> tuple[bool, str]:
    """Whether to abort because the canary is slower, and why; a reason without True is a doubt."""
    is_early = observation["elapsed"] < rules.hold_seconds
    for metric in _metrics(observation, rules):
        latency = _latency(observation, metric)
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
            return False, f"{words}; but no longer in the last {rules.recent_seconds} s"
        if not _same_prompts(observation):
            return False, f"{words}; but it got another share of long prompts"
        return True, words
    return False, ""


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
    if _failures(canary, rules) > 1:
        return ""
    return (
        f"too little traffic for {observation['weight']} %: {canary['requests']:.0f} requests, about "
        f"{expected:.0f} of {rules.min_requests} by the end; a later step must prove it"
    )


def _not_excluded(
    observation: Observation, steps: list[tuple[Counts, Counts]], rules: AnalysisSettings
) -> list[str]:
    """What the step's limits do not exclude yet."""
    if observation["canary"]["requests"] < rules.min_requests:
        return [f"{observation['canary']['requests']:.0f} of {rules.min_requests} requests"]
    tier = 2 if observation["last"] or observation["weight"] >= 50 else int(observation["weight"] >= 25)
    doubts = []
    for name, limits in (("errors", rules.error_limit_points), ("aborts", rules.abort_limit_points)):
        pairs = _pairs(name, steps, rules)
        requests = sum(pair[1] for pair in pairs)
        failed = min(sum(pair[0] for pair in pairs), requests - 1)
        upper = float(betaincinv(failed + 1, requests - failed, 1 - rules.exclusion))  # Clopper-Pearson
        share = _stable_share(pairs)
        if upper > share + limits[tier] / 100:
            doubts.append(
                f"{name} may be {100 * upper:.1f} %, stable's {100 * share:.1f} % + {limits[tier]:g}"
            )
    critical = -float(ndtri(rules.exclusion))
    for metric in _metrics(observation, rules):
        latency = _latency(observation, metric)
        if latency.observations < rules.min_requests:
            doubts.append(f"{metric.name}: {latency.observations:.0f} of {rules.min_requests} requests")
        elif (score := latency.score(metric.limits[tier])).body > -critical:
            doubts.append(f"{metric.name} may be {metric.limits[tier]:g} times stable's, z {score.body:.1f}")
    return doubts


def _metrics(observation: Observation, rules: AnalysisSettings) -> tuple[_Metric, _Metric]:
    ttft, tpot = observation.get("ttft_edges", TTFT_EDGES), observation.get("tpot_edges", TPOT_EDGES)
    return (
        _Metric("TTFT", "ttft", ttft, rules.tolerated_ttft_ratio, rules.ttft_limit_ratios),
        _Metric("TPOT", "tpot", tpot, rules.tolerated_tpot_ratio, rules.tpot_limit_ratios),
    )


def _latency(observation: Observation, metric: _Metric) -> Latency:
    """All steps' buckets of a metric, warm-ups left out."""
    pairs = [*observation["previous"], (observation["stable_warm"], observation["canary_warm"])]
    known = [(old, new) for old, new in pairs if old is not None and new is not None]
    return Latency(
        metric.edges, [(np.asarray(old[metric.key]), np.asarray(new[metric.key])) for old, new in known]
    )
