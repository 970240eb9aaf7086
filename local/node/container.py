"""One container of a pod: its process, again and again, with probes and hooks."""

import asyncio
import contextlib
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local.node import probes, process
from local.node.addresses import Rewriter
from local.node.api import ApiError, Json
from local.node.images import ImageError
from local.node.render import ConfigError
from local.node.status import ContainerState, restarts, timestamp

BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 10, 300
QUIET_SECONDS = 600
"""After running so long the back-off begins anew (all three: the kubelet's)."""
RETRY_SECONDS = 2


@dataclass(frozen=True)
class Start:
    """All that is needed to start the process."""

    argv: list[str]
    environment: dict[str, str]
    folder: Path
    rewriter: Rewriter


class Owner(Protocol):
    """What a container needs of its pod."""

    address: str
    policy: str
    grace_seconds: float
    logs: Path

    async def prepare(self, spec: Json) -> Start:
        """Return how to start; raise ImageError or ConfigError."""

    def changed(self) -> None:
        """Have the status reported."""

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Write an Event."""


class Container:
    """Runs one container until the restart policy is content or `stop` is called."""

    def __init__(self, spec: Json, state: ContainerState, owner: Owner) -> None:
        self.spec, self.state, self._owner = spec, state, owner
        self.may_start = True
        self.began = asyncio.Event()
        """Set once it has started, its startup probe included."""
        self.stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._start: Start | None = None
        self._back_off_seconds = 0.0

    @property
    def pid(self) -> int | None:
        """Process id, and session, of the live process."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def log(self) -> Path:
        """Output of the current or last process."""
        return self.log_of(self.state.restarts)

    def log_of(self, restart: int) -> Path:
        """Output of one of its processes."""
        return self._owner.logs / self.state.name / f"{restart}.log"

    async def run(self) -> bool:
        """Run to the end; return whether the last exit code was 0."""
        while self.may_start and not self.stopping.is_set():
            start = await self._prepared()
            if start is None:
                break
            begun = time.monotonic()
            code = await self._run_once(start)
            if not restarts(self._owner.policy, self.state.kind, code):
                return code == 0
            await self._back_off(time.monotonic() - begun)
        return bool(self.state.terminated and self.state.terminated["exitCode"] == 0)

    async def stop(self, grace_seconds: float) -> None:
        """End it for good: preStop, SIGTERM, and SIGKILL when the grace is over."""
        self.stopping.set()
        await self.end_process(grace_seconds)

    def kill(self) -> None:
        """End it now; whoever waits for its end goes on."""
        self.stopping.set()
        if self.pid:
            process.kill_group(self.pid)

    async def end_process(self, grace_seconds: float) -> None:
        """End the process; a container that is not stopping is then started again."""
        running, deadline = self._process, time.monotonic() + grace_seconds
        if running is None or running.returncode is not None:
            return
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook and grace_seconds > 0:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._act(hook, grace_seconds)
            except (probes.ProbeFailedError, TimeoutError) as problem:
                self._owner.tell("FailedPreStopHook", str(problem) or "grace period over", warning=True)
        with contextlib.suppress(ProcessLookupError):
            running.terminate()
        try:
            # the kubelet gives two seconds more when the hook took all there was
            left = max(deadline - time.monotonic(), 2 if grace_seconds > 0 else 0)
            await asyncio.wait_for(running.wait(), left)
        except TimeoutError:
            process.kill_group(running.pid)
            await running.wait()

    async def _prepared(self) -> Start | None:
        """Wait until all it needs is there; None if it is stopped before."""
        while not self.stopping.is_set():
            try:
                return await self._owner.prepare(self.spec)
            except ImageError as problem:
                reason, message, told = "ErrImagePull", str(problem), "Failed"
            except ConfigError as problem:
                reason, message, told = "CreateContainerConfigError", str(problem), "Failed"
            except ApiError as problem:
                reason, message, told = "ContainerCreating", str(problem), ""
            if self.state.waiting is None or self.state.waiting.get("message") != message:
                self.state.wait(reason, message)
                self._owner.changed()
                if told:
                    self._owner.tell(told, f"Error: {reason}: {message}", warning=True)
            await self._pause(RETRY_SECONDS)
        return None

    async def _run_once(self, start: Start) -> int:
        """Start the process, look after it, and return how it ended."""
        self._start = start
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log_of(self.state.restarts - 2).unlink(missing_ok=True)
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await process.spawn(start.argv, start.environment, start.folder, output)
        except OSError as problem:
            message = f'exec: "{start.argv[0] if start.argv else ""}": {problem.strerror}'
            self.state.end(128, timestamp(), message, "StartError")
            self._owner.tell("Failed", f"Error: {message}", warning=True)
            self._owner.changed()
            return 128
        finally:
            os.close(output)
        self.state.identity = f"process://{self._process.pid}-{uuid.uuid4().hex[:12]}"
        if self.stopping.is_set():  # asked while it was being started
            self.kill()
        self.state.run(timestamp())
        self._owner.changed()
        self._owner.tell("Started", f"Started container {self.spec['name']}")
        care = asyncio.create_task(self._care())
        code = await self._process.wait()
        process.kill_group(self._process.pid)
        self.state.end(code, timestamp(), self._last_words(code))
        self._owner.changed()
        await probes.ended(care)
        return self.state.terminated["exitCode"] if self.state.terminated else code

    async def _care(self) -> None:
        """postStart, then the probes; runs as long as the process."""
        hook = self.spec.get("lifecycle", {}).get("postStart")
        try:
            if hook:
                await self._act(hook, self._owner.grace_seconds)
        except (probes.ProbeFailedError, TimeoutError) as problem:
            await self._fail("FailedPostStartHook", str(problem), self._owner.grace_seconds)
            return
        if probe := self.spec.get("startupProbe"):
            await self._follow("Startup", probes.quick(probe))
        self.state.started = True
        self.state.ready = "readinessProbe" not in self.spec
        self.began.set()
        self._owner.changed()
        both = [(kind, self.spec.get(f"{kind.lower()}Probe")) for kind in ("Readiness", "Liveness")]
        await asyncio.gather(*(self._follow(kind, probe) for kind, probe in both if probe))

    async def _follow(self, kind: str, probe: Json) -> None:
        """Act on a probe's verdicts. Returns for a passed startup probe and a killed process only."""
        timeout = probe.get("timeoutSeconds", 1)
        async for ok, why in probes.verdicts(probe, lambda: self._act(probe, timeout)):
            if why:
                self._owner.tell("Unhealthy", f"{kind} probe failed: {why}", warning=True)
            if kind == "Readiness":
                ready = ok and not why if not self.state.ready else ok
                if ready != self.state.ready:
                    self.state.ready = ready
                    self._owner.changed()
            elif not ok and not self.stopping.is_set():
                grace = probe.get("terminationGracePeriodSeconds", self._owner.grace_seconds)
                name = self.spec["name"]
                message = f"Container {name} failed {kind.lower()} probe, will be restarted"
                await self._fail("Killing", message, grace)
                return
            elif kind == "Startup" and not why:
                return

    async def _fail(self, reason: str, message: str, grace_seconds: float) -> None:
        self._owner.tell(reason, message, warning=reason != "Killing")
        await self.end_process(grace_seconds)

    async def _act(self, handler: Json, timeout_seconds: float) -> None:
        await probes.act(handler, self.spec, self._owner.address, self._execute, timeout_seconds)

    async def _execute(self, command: list[str], timeout_seconds: float) -> tuple[int, str]:
        start = self._start
        if start is None:
            return 126, "not started"
        argv = [start.rewriter.text(word) for word in command]
        return await process.execute(argv, start.environment, start.folder, timeout_seconds)

    async def _back_off(self, ran_seconds: float) -> None:
        """Wait as the kubelet does: not at all the first time, then twice as long each time."""
        delay = 0.0 if ran_seconds > QUIET_SECONDS else self._back_off_seconds
        self._back_off_seconds = min(max(delay * 2, BACK_OFF_SECONDS), LONGEST_BACK_OFF_SECONDS)
        if self.stopping.is_set():
            return
        if delay:
            message = f"back-off {delay:.0f}s restarting failed container={self.spec['name']}"
            self._owner.tell("BackOff", message, warning=True)
            self.state.wait("CrashLoopBackOff", message)
            self._owner.changed()
            await self._pause(delay)
        if not self.stopping.is_set():
            self.state.restarts += 1

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    def _last_words(self, exit_code: int) -> str:
        """End of the log, where the manifest asks for it."""
        if exit_code == 0 or self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        return process.last_words(self.log)
