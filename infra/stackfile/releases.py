"""How a model's traffic moves to another version, and the numbers by which a canary is judged."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import Percent, PositiveInt, Seconds, Settings

Share = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(gt=1)]
Points = Annotated[float, Field(gt=0, le=100)]
"""Percentage points."""
PerExposure = tuple[Points, Points, Points]
RatioPerExposure = tuple[Ratio, Ratio, Ratio]


class AnalysisSettings(Settings):
    """The canary's judge; docs/releases.md tells the rule. Defaults: the canary study, simulated 2026-11-21.

    A triple holds one limit for weights below 25 %, one below 50 %, and one for the rest and the last step.
    """

    hold_seconds: PositiveInt = 600
    """Shortest time at one weight."""
    max_wait_seconds: PositiveInt = 1800
    """Longest time at one weight; then the step is inconclusive."""
    missing_seconds: PositiveInt = 300
    """So long may series be missing before the step is inconclusive."""
    alpha: Share = 0.005
    """Chance that one test calls a version worse that is just tolerable."""
    min_requests: PositiveInt = 20
    """Requests of the canary below which a step proves nothing."""
    min_failures: PositiveInt = 3
    """Failures of the canary below which it is not called worse."""
    failures_per_cooldown: PositiveInt = 3
    """Failures that the gateway's cooling down of a version stands for: its allowed fails and one more."""
    hard_stop_failures: PositiveInt = 5
    """With `hard_stop_percent`: failures that end a release whatever the statistics say."""
    hard_stop_percent: Percent = 20
    """Share of the canary's requests that fail, for a hard stop."""
    hard_stop_stable_percent: Percent = 10
    """At this share of stable's own failures the fault is not the canary's: no hard stop."""
    tolerated_failure_ratio: Ratio = 1.5
    """Failures of the canary per failure of stable that are no reason to abort."""
    error_margin_points: Points = 0.25
    """Further errors tolerated, whatever stable's rate."""
    abort_margin_points: Points = 1.0
    """Further requests that clients give up, tolerated whatever stable's rate."""
    tolerated_ttft_ratio: Ratio = 1.15
    """Time to first token relative to stable's that is no reason to abort."""
    tolerated_tpot_ratio: Ratio = 1.08
    """Time per output token relative to stable's that is no reason to abort."""
    early_excess_factor: Annotated[float, Field(ge=1)] = 2.5
    """Before `hold_seconds` the tolerated excess is this many times as large."""
    recent_seconds: PositiveInt = 180
    """A version is slow only if it still was in the last so many seconds."""
    error_limit_points: PerExposure = (10.0, 5.0, 1.5)
    """To advance, more errors than stable's by this much are excluded."""
    abort_limit_points: PerExposure = (15.0, 8.0, 3.0)
    """To advance, more aborts than stable's by this much are excluded."""
    ttft_limit_ratios: RatioPerExposure = (2.0, 1.5, 1.25)
    """To advance, a time to first token of so many times stable's is excluded."""
    tpot_limit_ratios: RatioPerExposure = (1.5, 1.3, 1.15)
    """To advance, a time per output token of so many times stable's is excluded."""
    exclusion: Share = 0.05
    """Chance that a limit is called excluded that is not."""


Strategy = Literal["canary", "blue_green", "rolling", "ab"]
Risk = Literal["shorter_context", "other_tokenizer"]


class QualitySettings(Settings):
    """Prompts that both versions answer before any traffic moves."""

    prompts: str
    """YAML file beside the stack file: a list of {prompt, expect: regular expression, max_tokens}."""
    alpha: Share = 0.05
    """Chance that an equally good version is refused."""


class ProbeSettings(Settings):
    """Requests of our own to both versions, by name, where clients send fewer than `requests_per_look`."""

    requests_per_look: PositiveInt = 5
    """To each version between two looks, those of clients included."""
    max_requests: PositiveInt = 300
    """Most to each version at one weight."""
    max_tokens: PositiveInt = 32
    """Length of an answer."""
    prompts: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "Say hello.",
        "Name three colours.",
        "What is seven times eight?",
        "Write one sentence about the sea.",
        "Translate 'good morning' into French.",
    )
    """Asked in turn."""


class ReleaseSettings(Settings):
    """How `llmserve promote` moves traffic (docs/releases.md)."""

    strategy: Strategy = "canary"
    """canary: by steps, each judged. blue_green: at once after a smoke test, the old one kept ready. rolling:
    at once. ab: one step, compared, never promoted."""
    steps: tuple[Annotated[int, Field(ge=1, le=99)], ...] = (5, 25, 50)
    """Percent to the new version, step by step; all of it comes after the last. ab: the one share."""
    keep_seconds: Seconds = 600
    """How long the new version is watched for failures with all traffic before a release ends well."""
    warmup_seconds: Seconds = 180
    """Start of a step whose latency does not count: caches and pods are cold."""
    look_seconds: PositiveInt = 30
    """How often a step is judged; two scrapes or more."""
    on_inconclusive: Literal["hold", "rollback"] = "hold"
    """What an undecided step does: wait for a person, or go back. Never on."""
    accept: tuple[Risk, ...] = ()
    """What is knowingly different in new versions."""
    max_extra_usd_per_hour: Annotated[float, Field(ge=0)] | None = None
    """Most that running both versions may cost beyond the old one alone; None = any."""
    quality: QualitySettings | None = None
    """None = answers are not read."""
    probes: ProbeSettings | None = None
    """None = clients' requests alone are judged; without any a step ends undecided."""
    analysis: AnalysisSettings = Field(default_factory=AnalysisSettings)
    """The judge's numbers."""
