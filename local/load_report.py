"""What a load found: how an answer is judged, and percentiles per version as data and tables."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

PERCENTILES = (50, 95, 99)
WHOLE = ("stop", "length")
"""Finish reasons of an answer that came to its end; an engine that is shut down says `abort`."""
NOBODY = "(nobody)"
"""Stands for the version of a request that no version answered."""


@dataclass(frozen=True)
class Ask:
    """One request: streamed or whole, and the length of its answer."""

    streamed: bool
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one request ended. Times are seconds; None = it has none, as a short answer has no first token."""

    version: str | None
    """Backend that answered, as the gateway names it."""
    streamed: bool
    pod: str | None = None
    """Who of the version began to answer, as a simulated engine tells."""
    problem: str | None = None
    """Why it counts as lost; None = it came whole."""
    first_token_seconds: float | None = None
    token_seconds: float | None = None
    """Mean time between tokens after the first (TPOT)."""
    total_seconds: float = 0.0


class Answer:
    """What has come of one answer; `outcome` judges it."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.version: str | None = None
        self.pod: str | None = None
        self.problem: str | None = None
        """What went wrong outside the answer's text: refused, cut, silent."""
        self._first_seconds: float | None = None
        self._last_seconds = 0.0
        self._finish: str | None = None
        self._tokens = 0
        self._done = False

    def line(self, line: bytes, at_seconds: float) -> None:
        """Take a line of an event stream. Raises ValueError, LookupError or TypeError for a strange one."""
        if not line.startswith(b"data: "):
            return
        data = line.removeprefix(b"data: ").strip()
        if data == b"[DONE]":
            self._done = True
            return
        event = json.loads(data)
        if "error" in event:
            self.problem = self.problem or "error event"
            return
        for choice in event["choices"]:
            self._finish = choice.get("finish_reason") or self._finish
            if choice["delta"].get("content"):
                self._last_seconds = at_seconds
                if self._first_seconds is None:
                    self._first_seconds = at_seconds
        self._name_pod(event)
        self._tokens = (event.get("usage") or {}).get("completion_tokens", self._tokens)

    def whole(self, body: dict[str, Any]) -> None:
        """Take an answer that is not streamed. Raises LookupError or TypeError for a strange one."""
        (choice,) = body["choices"]
        self._name_pod(body)
        self._finish, self._done = choice["finish_reason"], True
        self._tokens = body["usage"]["completion_tokens"] if choice["message"]["content"] else 0

    def _name_pod(self, body: dict[str, Any]) -> None:
        """Take the pod's name from a simulated engine's fingerprint."""
        _, _, pod = str(body.get("system_fingerprint") or "").partition("@")
        self.pod = self.pod or pod or None

    def outcome(self, total_seconds: float) -> Outcome:
        """Judge what has come, now that no more will."""
        first = self._first_seconds
        gaps = self._tokens - 1
        return Outcome(
            version=self.version,
            streamed=self.ask.streamed,
            pod=self.pod,
            problem=self.problem or self._missing(),
            first_token_seconds=first,
            token_seconds=(self._last_seconds - first) / gaps if first is not None and gaps > 0 else None,
            total_seconds=total_seconds,
        )

    def _missing(self) -> str | None:
        if not self._done:
            return "cut (no [DONE])"
        if self._finish not in WHOLE:
            return f"finish_reason {self._finish}"
        if self._tokens == 0 or (self.ask.streamed and self._first_seconds is None):
            return "no tokens"
        if self._finish == "length" and self._tokens < self.ask.tokens:
            return "tokens missing"
        return None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile: the least value that `percent` % of all do not exceed."""
    if not values:
        return None
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def summary(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return one row per version, sorted by name; times are of whole answers only."""
    by_version: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_version.setdefault(outcome.version or NOBODY, []).append(outcome)
    return [{"version": version, **_row(found)} for version, found in sorted(by_version.items())]


def lost_by_pod(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many requests of each pod did not come whole; those that nobody had begun are NOBODY's."""
    count = Counter(outcome.pod or NOBODY for outcome in outcomes if outcome.problem is not None)
    return dict(sorted(count.items()))


def lost(outcomes: Sequence[Outcome]) -> int:
    """Return how many requests did not come whole."""
    return sum(outcome.problem is not None for outcome in outcomes)


def show(report: dict[str, Any], console: Console) -> None:
    """Print the table, and why requests were lost. `report` is what `load.Load.report` returns."""
    ranks = "/".join(f"p{percent}" for percent in PERCENTILES)
    table = Table("version", title=f"load on {report['model']}")
    for heading in ("requests", "lost", f"TTFT ms\n{ranks}", f"TPOT ms\n{ranks}"):
        table.add_column(heading, justify="right")
    for row in report["versions"]:
        times = [_milliseconds(row[kind]) for kind in ("ttft_seconds", "tpot_seconds")]
        table.add_row(row["version"], str(row["requests"]), str(row["lost"]), *times)
    console.print(table)
    lines = [
        f"{report['requests']} requests in {report['seconds']:.0f} s, {report['lost']} lost"
        + (f", {report['unfinished']} left unfinished" if report["unfinished"] else "")
        + f"; {report['connections']}"
    ]
    lines += [
        f"  lost of {row['version']}: {count} x {problem}"
        for row in report["versions"]
        for problem, count in row["problems"].items()
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _row(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    problems = Counter(outcome.problem for outcome in outcomes if outcome.problem is not None)
    whole = [outcome for outcome in outcomes if outcome.problem is None]
    return {
        "requests": len(outcomes),
        "streamed": sum(outcome.streamed for outcome in outcomes),
        "lost": problems.total(),
        "problems": dict(problems.most_common()),
        "ttft_seconds": _percentiles([outcome.first_token_seconds for outcome in whole]),
        "tpot_seconds": _percentiles([outcome.token_seconds for outcome in whole]),
    }


def _milliseconds(times: dict[str, float | None]) -> str:
    return "/".join("-" if seconds is None else f"{1000 * seconds:.0f}" for seconds in times.values())


def _percentiles(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {f"p{percent}": percentile(known, percent) for percent in PERCENTILES}
