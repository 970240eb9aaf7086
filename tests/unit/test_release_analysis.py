"""Verdicts on a canary: on steps made by hand, with no data, and over numbers of any size."""

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.analysis import TPOT_EDGES, TTFT_EDGES, decide
from release.failures import Failures
from release.latency import Latency, boundary

Counts = dict[str, Any]


def histogram(edges: tuple[float, ...], median: float, count: float) -> Any:
    """Expected bucket counts of a lognormal metric with sigma 0.5."""
    below = [0.5 * (1 + math.erf(math.log(edge / median) / 0.5 / math.sqrt(2))) for edge in edges]
    return np.round(np.diff(below, prepend=0.0, append=1.0) * count)


def counts(
    requests: float, *, errors: float = 0, ttft: float = 0.3, tpot: float = 0.03, **more: float
) -> Counts:
    answered = requests - errors
    return {
        "requests": float(requests),
        "errors": float(errors),
        "aborts": 0.0,
        "long_prompts": round(0.15 * requests),
        "cooldowns": 0.0,
        "ttft": histogram(TTFT_EDGES, ttft, answered),
        "tpot": histogram(TPOT_EDGES, tpot, answered),
        **more,
    }


def step(
    stable: Counts | None, canary: Counts | None, *, elapsed: float = 600, weight: int = 50, last: bool = True
) -> dict[str, Any]:
    return {
        "step": 2,
        "weight": weight,
        "last": last,
        "elapsed": elapsed,
        "stable": stable,
        "canary": canary,
        "stable_warm": stable,
        "canary_warm": canary,
        "window": lambda _seconds: (stable, canary),
        "previous": [],
        "state": {},
    }


def test_an_equal_version_advances_once_the_hold_is_over() -> None:
    early = step(counts(2000), counts(2000), elapsed=570)
    assert decide(early) == ("wait", "570 of at least 600 s at this weight")
    assert decide(step(counts(2000), counts(2000))) == (
        "advance",
        "no worse than the limits of this weight, by 2000 requests",
    )


@pytest.mark.parametrize(
    ("canary", "words"),
    [
        (counts(600, ttft=0.6), "TTFT: canary slower than 1.15 times stable, z"),
        (counts(600, tpot=0.045), "TPOT: canary slower than 1.08 times stable, z"),
        (counts(600, errors=30), "errors: 30 of the canary's 600 requests against 3 of stable's 600"),
        (counts(600, errors=150), "hard stop: 150 of the canary's 600 requests failed"),
        (counts(600, cooldowns=20.0), "errors: 60 of the canary's 600 requests"),
        (counts(600, aborts=60.0), "aborts: 60 of the canary's 600 requests against 12 of stable's 600"),
    ],
)
def test_each_way_to_be_worse_aborts_and_is_named(canary: Counts, words: str) -> None:
    verdict, reason = decide(step(counts(600, errors=3, aborts=12.0), canary))
    assert verdict == "abort"
    assert words in reason


def test_a_fault_that_both_versions_have_is_not_the_canarys() -> None:
    verdict, _ = decide(step(counts(600, errors=150), counts(600, errors=150)))
    assert verdict != "abort"


def test_a_slow_version_that_got_longer_prompts_is_left_to_a_person() -> None:
    canary = counts(600, ttft=0.6, long_prompts=300.0)
    assert decide(step(counts(600), canary))[0] == "wait"
    verdict, reason = decide(step(counts(600), canary, elapsed=1800))
    assert verdict == "inconclusive"
    assert "another share of long prompts" in reason


def test_a_version_that_was_slow_only_at_first_is_not_aborted() -> None:
    observation = step(counts(600), counts(600, ttft=0.6))
    observation["window"] = lambda _seconds: (counts(100), counts(100))
    verdict, reason = decide(observation)
    assert verdict == "wait"
    assert "no longer in the last 180 s" in reason


def test_a_time_to_first_token_that_has_recovered_does_not_hide_slow_tokens() -> None:
    observation = step(counts(600), counts(600, ttft=0.6, tpot=0.045))
    observation["window"] = lambda _seconds: (counts(100), counts(100, tpot=0.045))
    verdict, reason = decide(observation)
    assert verdict == "abort"
    assert reason.startswith("TPOT: canary slower")


@pytest.mark.parametrize("side", ["stable", "canary"])
def test_missing_series_are_waited_for_and_then_inconclusive(side: str) -> None:
    present = {"stable": counts(2000), "canary": counts(2000)} | {side: None}
    observation = step(present["stable"], present["canary"], elapsed=600)
    assert decide(observation) == ("wait", f"Prometheus has no series of {side} for 0 s")
    observation["elapsed"] = 900
    assert decide(observation) == ("inconclusive", f"Prometheus has no series of {side} for 300 s")
    observation |= {side: counts(2000), f"{side}_warm": counts(2000)}
    assert decide(observation)[0] == "advance"
    assert observation["state"] == {}, "once they are back, the time counts anew"


def test_no_traffic_never_decides_anything() -> None:
    for elapsed, verdict in ((30, "wait"), (600, "wait"), (1800, "inconclusive")):
        assert decide(step(counts(0), counts(0), elapsed=elapsed))[0] == verdict


def test_too_little_traffic_for_a_small_weight_is_left_to_a_later_step_but_not_to_none() -> None:
    thin = step(counts(95), counts(5), weight=5, last=False)
    verdict, reason = decide(thin)
    assert verdict == "advance"
    assert "too little traffic for 5 %: 5 requests, about 15 of 20 by the end" in reason
    assert decide(step(counts(5), counts(5)))[0] == "wait"


@given(
    requests=st.integers(0, 10_000),
    errors=st.integers(0, 10_000),
    others=st.integers(0, 10_000),
    elapsed=st.integers(30, 1800),
    missing=st.sampled_from(["stable", "canary"]),
)
def test_without_data_of_both_versions_nothing_is_promoted_or_aborted(
    requests: int, errors: int, others: int, elapsed: int, missing: str
) -> None:
    sides = {"stable": counts(others), "canary": counts(requests, errors=min(errors, requests))}
    observation = step(**(sides | {missing: None}), elapsed=elapsed)
    assert decide(observation)[0] in ("wait", "inconclusive")


@given(failures=st.integers(3, 50), requests=st.integers(100, 1000), others=st.integers(0, 50))
def test_more_failures_of_stable_are_less_evidence_against_the_canary(
    failures: int, requests: int, others: int
) -> None:
    def value(of_stable: int) -> float:
        return Failures("errors", [(failures, requests, of_stable, 1000)]).evidence(1.5)

    assert value(others + 1) < value(others)


def test_the_evidence_is_as_computed_by_hand() -> None:
    """One failure, of the canary, at equal traffic and tolerance 1.5: mean of bet/fair, fair = 0.6."""
    bets = [1.5 * m / (1.5 * m + 1) for m in (1.5, 2, 4, 8, 16, 32, 64)]
    assert Failures("errors", [(1, 100, 0, 100)]).evidence(1.5) == pytest.approx(
        sum(bet / 0.6 for bet in bets) / 7
    )


def test_the_boundary_is_as_computed_by_hand() -> None:
    assert boundary(20, 0.005) == pytest.approx(math.sqrt(2 * (math.log(2) + 2 * math.log(200))))
    assert boundary(0, 0.005) == math.inf


def test_a_version_that_is_exactly_so_many_times_slower_scores_about_zero() -> None:
    latency = Latency(TTFT_EDGES, [(histogram(TTFT_EDGES, 0.3, 5000), histogram(TTFT_EDGES, 0.6, 5000))])
    assert abs(latency.score(2.0).body) < 3, "one bucket is wide: the interpolation is not exact"
    assert latency.score(1.0).body > 20
    assert latency.score(4.0).body < -20


def test_a_decision_takes_less_than_a_millisecond() -> None:
    pairs = [(counts(2000), counts(2000))] * 2
    observation = step(counts(2000), counts(2000)) | {"previous": pairs}
    decide(observation)
    started = time.process_time()
    for _ in range(100):
        decide(observation)
    assert (time.process_time() - started) / 100 < 0.004, "bar: 1 ms; four times as much on a busy machine"
