"""Watches one step: asks Prometheus, has the numbers judged, and tells what came of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from infra.stackfile.releases import ReleaseSettings
from release.analysis import Verdict, decide
from release.figures import figures
from release.journal import Look, Release, now
from release.observation import Window, look, observation
from release.probes import Probes
from release.world import AwayError, World

CLOCK_JUMP_SECONDS = 60
"""More than this between Prometheus' clock and ours since the step began, and the step begins anew."""


class Watch:
    """One step of a release from the moment its weights are at work."""

    def __init__(self, world: World, settings: ReleaseSettings, release: Release) -> None:
        self._world, self._settings, self._release = world, settings, release
        self._weight, self._judge = release.steps[release.step]
        self._window: Window | None = None
        self._unready_since: float | None = None
        sent = max((look.probes for look in release.looks if look.step == release.step), default=0)
        probed = (release.old, release.new)
        self._probes = settings.probes and Probes(world, settings.probes, probed, already=sent)
        self._begin()

    def looks(self) -> Iterator[Look]:
        """A verdict every `look_seconds`, for ever; the caller stops at the first that is not wait."""
        # requests of the old weights are in the scrapes of the first moments
        self._world.sleep(self._settings.look_seconds)
        self._begin()
        while True:
            self._world.sleep(self._settings.look_seconds)
            found = self._look()
            yield found
            if self._probes and found.new:
                self._probes.make_up(found.new.requests)

    def counted(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Counts of both versions in this step without its warm-up, as JSON; None if they are not known."""
        if self._judge != "versions" or self._window is None or self._start is None:
            return None
        seen = self._observe(self._window)
        old, new = seen["stable_warm"], seen["canary_warm"]
        return None if old is None or new is None else (_plain(old), _plain(new))

    def _begin(self) -> None:
        self._state: dict[str, Any] = {}
        self._began = self._world.monotonic()
        self._start: float | None = None
        """By Prometheus' clock, once it has answered; `_start_seen` is the same moment by ours."""
        self._start_seen = self._began
        self._now()

    def _now(self) -> float | None:
        """Prometheus' time; None while it is away."""
        try:
            found = self._world.prometheus_time()
        except AwayError:
            return None
        if self._start is None:
            self._start, self._start_seen = found, self._world.monotonic()
        return found

    def _look(self) -> Look:
        moment = self._now()
        window, away = None, ""
        if moment is not None and self._start is not None:
            passed = self._world.monotonic() - self._start_seen
            if abs(moment - self._start - passed) > CLOCK_JUMP_SECONDS:
                self._begin()
                return self._said("wait", "Prometheus' clock jumped; the step begins anew")
            try:
                window = look(self._world.query, self._world.sources, self._start, moment)
            except AwayError as problem:
                away = f" ({problem})"
        elif moment is None:
            away = " (Prometheus does not answer)"
        if unready := self._unready():
            return self._said("abort", unready)
        seen = self._observe(window)
        verdict, reason = decide(seen, self._settings.analysis)
        self._window = window or self._window
        return self._said(verdict, reason + away, seen)

    def _observe(self, window: Window | None) -> dict[str, Any]:
        release, settings = self._release, self._settings
        fields = {
            "step": release.step,
            "weight": self._weight,
            "last": release.step + 1 >= sum(1 for _, judge in release.steps if judge == "versions"),
            "elapsed": self._world.monotonic() - self._began,
            "state": self._state,
        }
        if self._judge == "failures":
            fields["keep_seconds"] = settings.keep_seconds
        if window is None or self._start is None:
            empty = dict.fromkeys(("stable", "canary", "stable_warm", "canary_warm"))
            return {**empty, **fields, "previous": [], "window": lambda _: (None, None)}
        previous = [(_arrays(old), _arrays(new)) for old, new in release.previous]
        found = observation(window, self._start, settings.warmup_seconds, previous)
        return {**found, **fields}

    def _unready(self) -> str:
        """Why the new version cannot be kept: it has not been Ready for too long."""
        problems = self._world.not_ready(self._release.new)
        if not problems:
            self._unready_since = None
            return ""
        moment = self._world.monotonic()
        since = self._unready_since = self._unready_since or moment
        if moment - since < self._settings.analysis.missing_seconds:
            return ""
        return f"{self._release.new} has not been Ready for {moment - since:.0f} s: {'; '.join(problems)}"

    def _said(self, verdict: Verdict, reason: str, seen: dict[str, Any] | None = None) -> Look:
        old, new = (seen["stable"], seen["canary"]) if seen else (None, None)
        return Look(
            at=now(),
            step=self._release.step,
            weight=self._weight,
            elapsed_seconds=round(self._world.monotonic() - self._began, 1),
            verdict=verdict,
            reason=reason,
            old=figures(old),
            new=figures(new),
            probes=self._probes.sent if self._probes else 0,
        )


def _plain(counts: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    return {k: v if isinstance(v, float) else [float(each) for each in v] for k, v in counts.items()}


def _arrays(counts: dict[str, Any]) -> dict[str, Any]:
    return {**counts, "ttft": np.array(counts["ttft"]), "tpot": np.array(counts["tpot"])}
