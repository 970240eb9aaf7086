"""Whether what the gateway waits and what users are promised suits how fast a version can answer. Pure.

All of it rests on an estimate of speed, so that nothing here is more than a warning.
"""

from collections.abc import Iterator
from math import ceil

from pydantic import BaseModel, ConfigDict, Field

from planner.estimate import Estimate
from planner.finding import Finding, warning
from planner.throughput import Throughput


class AnswerTimes(BaseModel):
    """One version behind the gateway, in seconds and tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Dotted path of the model."""
    expected: Throughput
    """Of the mean request."""
    longest_prompt_ttft_seconds: Estimate
    """To the first token of the longest prompt it takes, when nobody waits."""
    longest_answer_tokens: int | None = Field(default=None, ge=1)
    """Longest answer that clients are told they may ask for; None = not said, and then not checked."""
    longest_stream_seconds: int
    first_token_timeout_seconds: int
    request_timeout_seconds: int
    ttft_objective_seconds: float | None = None
    tpot_objective_seconds: float | None = None

    @property
    def answer_seconds(self) -> Estimate | None:
        """From request to the last token of the longest answer."""
        if self.longest_answer_tokens is None:
            return None
        return self.expected.ttft_seconds + self.expected.tpot_seconds.scaled(self.longest_answer_tokens)


def answer_findings(times: AnswerTimes) -> list[Finding]:
    """Return every rule that the times break."""
    rules = (_first_token, _stream, _request, _objectives)
    return [finding for rule in rules for finding in rule(times)]


def _first_token(times: AnswerTimes) -> Iterator[Finding]:
    given, needed = times.first_token_timeout_seconds, times.longest_prompt_ttft_seconds
    if given < needed.likely:
        yield warning(
            "gateway.first_token_timeout_seconds",
            f"is {given}, but {times.path} needs {needed} s for the first token of its longest prompt, "
            "even when nobody waits",
            f"make it {ceil(needed.high)} or more, or max_model_len less",
            id="first-token-timeout-too-short",
        )


def _stream(times: AnswerTimes) -> Iterator[Finding]:
    yield from _cut(
        times, "longest_stream_seconds", times.longest_stream_seconds, "stream-cut-before-its-end"
    )


def _request(times: AnswerTimes) -> Iterator[Finding]:
    given = times.request_timeout_seconds
    yield from _cut(times, "request_timeout_seconds", given, "request-cut-before-its-end")


def _cut(times: AnswerTimes, setting: str, given: int, rule: str) -> Iterator[Finding]:
    needed = times.answer_seconds
    if needed is not None and given < needed.likely:
        yield warning(
            f"gateway.{setting}",
            f"is {given}, but {times.longest_answer_tokens} tokens of {times.path} take {needed} s",
            f"make it {ceil(needed.high)} or more, or allow shorter answers only",
            id=rule,
        )


def _objectives(times: AnswerTimes) -> Iterator[Finding]:
    for name, promised, expected in (
        ("ttft", times.ttft_objective_seconds, times.expected.ttft_seconds),
        ("tpot", times.tpot_objective_seconds, times.expected.tpot_seconds),
    ):
        if promised is not None and promised < expected.low:
            yield warning(
                f"{times.path}.objectives.{name}_p95_seconds",
                f"is {promised:g}, less than the fastest that is expected: {expected} s "
                f"({times.expected.basis})",
                "promise more time, use a faster GPU or fewer requests at once",
                id="objective-out-of-reach",
            )
