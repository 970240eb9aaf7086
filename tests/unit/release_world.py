"""A world for the promoter in which everything is as told: for the fast tests only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from release import stack_file
from release.errors import ReleaseError
from release.observation import Histograms, Sources
from release.series import Series
from release.world import AwayError, World

STACK_FILE = """config:
  # kept
  llmserve:settings:
    models:
      chat:
        traffic: {one: 100}   # moved by hand or by a release
    other: 1
"""
SOURCES = Sources(
    namespace="llmserve",
    instance_label="instance",
    backend_label="model_id",
    gateway="gateway",
    old="chat-one",
    new="chat-two",
    success="good_total",
    failure="bad_total",
    cooled_down="cooled_total",
    not_its_fault="Nobodys",
    engine=Histograms(ttft="ttft", tpot="tpot"),
    engine_finished="finished_total",
    fallback=Histograms(ttft="gw_ttft", tpot="gw_tpot"),
)
SCRAPE = 10.0
EDGES = {"0.1": 0.0, "0.2": 0.5, "0.4": 0.9, "0.8": 1.0, "+Inf": 1.0}
"""Cumulative shares of a healthy version."""
SLOW_EDGES = {"0.1": 0.0, "0.2": 0.0, "0.4": 0.3, "0.8": 0.9, "+Inf": 1.0}


class KilledError(BaseException):
    """What kill -9 is to a process: nothing catches it."""


@dataclass
class FakeWorld(World):
    """Prometheus counts as `rate`, `errors_of_new` and `slow` say; time passes when somebody sleeps."""

    stack_file: Path
    sources: Sources = SOURCES
    rate: float = 20.0
    errors_of_new: float = 0.0
    slow: bool = False
    away: bool = False
    jump_at: float | None = None
    unready: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)
    apply_problem: Callable[["FakeWorld"], ReleaseError | None] = lambda _: None
    on_call: Callable[[str], None] = lambda _: None
    """Told of every call; may raise."""
    now: float = 0.0
    running: dict[str, int] = field(default_factory=dict)
    """What the gateway has."""
    history: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    """When which version was asked by name."""

    def apply(self) -> None:
        self.on_call("apply")
        problem = self.apply_problem(self)
        if problem is not None:
            raise problem
        found = stack_file.weights(stack_file.read(self.stack_file), "chat")
        self.running = {version: share for version, share in found.items() if share}
        self.history.append((self.now, self.running))
        self.on_call("applied")

    def not_ready(self, version: str) -> list[str]:
        return [f"{version}-pod: CrashLoopBackOff"] if version in self.unready else []

    def gateway_weights(self) -> dict[str, int] | None:
        self.on_call("gateway")
        return dict(self.running)

    def answer(self, version: str, prompt: str, max_tokens: int) -> str:
        del prompt, max_tokens
        self.on_call(f"ask {version}")
        self.asked.append((self.now, version))
        return self.answers.get(version, "hello")

    def prometheus_time(self) -> float:
        if self.away:
            raise AwayError("Prometheus does not answer")
        jumped = self.jump_at is not None and self.now >= self.jump_at
        return self.now + (3600 if jumped else 0)

    def query(self, selector: str, at: float) -> list[Series]:
        window = float(selector[selector.rindex("[") + 1 : -2])
        times = [n * SCRAPE for n in range(int(at // SCRAPE) + 1) if n * SCRAPE > at - window]
        if selector.startswith("up{"):
            return [
                self._series("up", {"instance": name}, times, lambda _: 1.0)
                for name in ("gateway", "chat-one", "chat-two")
            ]
        found = []
        for version in ("one", "two"):
            answered = self._counted(version, failed=False)
            if selector.startswith("bad_total"):
                failed = self._counted(version, failed=True)
                found.append(self._series("bad_total", {"model_id": f"chat-{version}"}, times, failed))
            elif "good_total" in selector:
                found.append(self._series("good_total", {"model_id": f"chat-{version}"}, times, answered))
            else:
                shares = SLOW_EDGES if self.slow and version == "two" else EDGES
                for metric in ("ttft", "tpot"):
                    for edge, share in shares.items():
                        labels = {"instance": f"chat-{version}", "le": edge}
                        growing = _scaled(answered, share)
                        found.append(self._series(f"{metric}_bucket", labels, times, growing))
        return found

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.on_call("sleep")
        self.now += seconds

    def _counted(self, version: str, *, failed: bool) -> Callable[[float], float]:
        share = self.errors_of_new if version == "two" else 0.0

        def at(time: float) -> float:
            total = 0.0
            spans = [*self.history, (float("inf"), {})]
            for (begin, weights), (end, _) in pairwise(spans):
                passed = max(0.0, min(time, end) - begin)
                total += passed * self.rate * weights.get(version, 0) / 100
            total += sum(1 for when, name in self.asked if name == version and when < time)
            return float(round(total * (share if failed else 1 - share)))

        return at

    def _series(
        self, name: str, labels: dict[str, str], times: list[float], value: Callable[[float], float]
    ) -> Series:
        return Series({"__name__": name, **labels}, [(time, value(time)) for time in times])


def _scaled(growing: Callable[[float], float], share: float) -> Callable[[float], Any]:
    return lambda time: round(growing(time) * share)
