"""A release rehearsed on the laptop: a copy of the stack file, faults for the new version, generated load.

Time is compressed by settings of the copy; no threshold of the judge is changed.
"""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from local.load import MAX_SECONDS, Load, Plan, Target
from local.load_report import Ask, Outcome
from local.sim.options import PREFIX, options_from_env
from release.errors import ReleaseError

Fault = Literal["none", "ttft", "tpot", "errors", "leak", "crash"]
DEFAULTS: Mapping[Fault, float] = {
    "none": 0,
    "ttft": 2.0,
    "tpot": 1.5,
    "errors": 0.2,
    "leak": 1.0,
    "crash": 10,
}
"""Factor of TTFT or TPOT, share of errors, growth per minute, seconds between crashes."""
FOLDER = "rehearsal"
COMPRESSED: Mapping[str, Any] = {"look_seconds": 3, "warmup_seconds": 6, "keep_seconds": 9}
COMPRESSED_ANALYSIS: Mapping[str, Any] = {
    "hold_seconds": 24,
    "max_wait_seconds": 120,
    "missing_seconds": 30,
    "recent_seconds": 12,
}
"""Waits of the copy: about a twentieth of the defaults."""
SPREAD: Mapping[str, str] = {
    "SIM_TTFT_SECONDS": "0.1",
    "SIM_TTFT_JITTER_SECONDS": "0.05",
    "SIM_TPOT_SECONDS": "0.025",
    "SIM_TPOT_JITTER_SECONDS": "0.01",
}
"""Times of engines that say nothing else: spread over some buckets, as those of real ones are."""
SCRAPE_SECONDS = 1
MIX = (Ask(True, 6), Ask(False, 4))
"""Short answers, so that many come in a short time."""
TENANT_LIMIT = 60_000
"""Requests a minute of the copy's tenants: the load is the rehearsal's."""


def parse_fault(text: str) -> tuple[Fault, float]:
    """Read `ttft=2.0`, `errors=0.1`, `leak`, `none`; raises ReleaseError for anything else."""
    word, equals, value = text.partition("=")
    name = next((known for known in DEFAULTS if known == word), None)
    if name is None:
        raise ReleaseError(f"--inject: there is no {word!r}; known: {', '.join(DEFAULTS)}")
    try:
        number = float(value) if equals else DEFAULTS[name]
    except ValueError:
        raise ReleaseError(f"--inject: {value!r} is not a number; write {name}={DEFAULTS[name]:g}") from None
    if number < 0 or (name in ("ttft", "tpot") and number == 0) or (name == "errors" and number > 1):
        raise ReleaseError(f"--inject: {name}={number:g} is out of range; write {name}={DEFAULTS[name]:g}")
    return name, number


def rehearsal_file(committed: str, model: str, version: str, fault: tuple[Fault, float]) -> str:
    """Text of the copy: compressed waits, quick scrapes, a fault of `version`. Pure.

    The text has passed the check of stack files, and has such a version.
    """
    # through JSON: what YAML's anchors share would else be changed in every place
    document = json.loads(json.dumps(yaml.safe_load(committed)))
    settings = document["config"]["llmserve:settings"]
    chosen = settings["models"][model]
    release = chosen.setdefault("release", {})
    release |= COMPRESSED
    release["on_inconclusive"] = "rollback"
    release["analysis"] = {**release.get("analysis", {}), **COMPRESSED_ANALYSIS}
    settings["observability"].setdefault("prometheus", {})["scrape_interval_seconds"] = SCRAPE_SECONDS
    for tenant in settings["tenants"].values():
        tenant["requests_per_minute"] = TENANT_LIMIT
        for limit in ("tokens_per_minute", "parallel_requests"):
            tenant.pop(limit, None)
    for each in chosen["versions"].values():
        each["env"] = {**SPREAD, **each.get("env", {})}
    of_version = chosen["versions"][version]
    of_version["env"] |= _variables(of_version["env"], *fault)
    return yaml.safe_dump(document, sort_keys=False)


def _variables(env: Mapping[str, str], fault: Fault, value: float) -> dict[str, str]:
    now = options_from_env({name: text for name, text in env.items() if name.startswith(PREFIX)})
    found: dict[str, float] = {
        "none": {},
        "ttft": {
            "TTFT_SECONDS": now.ttft_seconds * value,
            "TTFT_JITTER_SECONDS": now.ttft_jitter_seconds * value,
        },
        "tpot": {
            "TPOT_SECONDS": now.tpot_seconds * value,
            "TPOT_JITTER_SECONDS": now.tpot_jitter_seconds * value,
        },
        "errors": {"ERROR_RATE": value},
        "leak": {"SLOWING_PER_MINUTE": value},
        "crash": {"CRASH_SECONDS": value},
    }[fault]
    return {f"{PREFIX}{name}": f"{number:g}" for name, number in found.items()}


@dataclass
class Loading:
    """A load that goes on beside other work, and what came of it."""

    target: Target
    rate: float
    outcomes: list[Outcome] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Load the gateway while the body runs; requests that are open at its end are waited for."""
        stopped = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(stopped)), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    async def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            load = Load(self.target, Plan(rate=self.rate, seconds=MAX_SECONDS, mix=MIX))
            running = asyncio.create_task(load.run())
            while not running.done() and not stopped.is_set():
                await asyncio.sleep(0.2)
            load.stop()
            await running
            self.outcomes += load.outcomes

    def lost(self, backend: str) -> dict[str, dict[str, int]]:
        """Why requests did not come whole: those the new version had begun to answer, and all others."""
        found: dict[str, dict[str, int]] = {"by_new_version": {}, "elsewhere": {}}
        for outcome in self.outcomes:
            if outcome.problem is not None:
                where = found["by_new_version" if outcome.version == backend else "elsewhere"]
                where[outcome.problem] = where.get(outcome.problem, 0) + 1
        return found


def write_copy(folder: Path, text: str) -> Path:
    """Write the copy anew, beside the Pulumi.yaml it would have; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Pulumi.local.yaml"
    path.write_text(text, encoding="utf-8")
    return path
