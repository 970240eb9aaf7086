"""From container states to what the API server is told. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from local.node.api import Json

Kind = Literal["init", "sidecar", "main"]
KILLED_EXIT_CODE = 137
UNKNOWN = "ContainerStatusUnknown"


@dataclass
class ContainerState:
    """What is known of one container. Exactly one of waiting, running and terminated is set."""

    name: str
    image: str
    kind: Kind
    identity: str = ""
    waiting: Json | None = field(default_factory=lambda: {"reason": "PodInitializing"})
    running: Json | None = None
    terminated: Json | None = None
    last: Json | None = None
    """How it ended the time before."""
    restarts: int = 0
    started: bool = False
    """Its startup probe, if any, has passed."""
    ready: bool = False

    def wait(self, reason: str, message: str = "") -> None:
        """Become waiting; an end seen before becomes the last one."""
        self.last = self.terminated or self.last
        self.waiting = {"reason": reason, **({"message": message} if message else {})}
        self.running = self.terminated = None
        self.started = self.ready = False

    def run(self, now: str) -> None:
        """Become running."""
        self.last = self.terminated or self.last
        self.waiting, self.terminated = None, None
        self.running = {"startedAt": now}

    def end(self, exit_code: int, now: str, message: str = "", reason: str = "") -> None:
        """Become terminated; a negative exit code is a signal's number."""
        code = 128 - exit_code if exit_code < 0 else exit_code
        since = (self.running or {}).get("startedAt", now)
        ended = {"exitCode": code, "startedAt": since, "finishedAt": now, "containerID": self.identity}
        ended["reason"] = reason or ("Error" if code else "Completed")
        self.terminated = ended | ({"message": message} if message else {})
        self.waiting = self.running = None
        self.started = self.ready = False


def timestamp() -> str:
    """The time as the API server writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def restarts(policy: str, kind: Kind, exit_code: int) -> bool:
    """Whether a container that ended so is started again; `policy` is the pod's."""
    if kind == "sidecar":
        return True
    return policy != "Never" and (exit_code != 0 or (policy == "Always" and kind == "main"))


def resumed(state: ContainerState, policy: str, before: Json | None, now: str) -> bool:
    """Take over what an earlier node reported of a container; return whether it may be started (again)."""
    if before is None:
        return True
    state.restarts = before["restartCount"]
    state.last = before.get("lastState", {}).get("terminated")
    ended, ran = before["state"].get("terminated"), "running" in before["state"]
    if ran:
        unknown = {"exitCode": KILLED_EXIT_CODE, "reason": UNKNOWN, "message": "the node was restarted"}
        ended = unknown | {"startedAt": before["state"]["running"]["startedAt"], "finishedAt": now}
    if ended is None:
        return True
    if not restarts(policy, state.kind, ended["exitCode"]) and state.kind == "main":
        state.terminated, state.waiting = ended, None
        return False
    state.last = ended
    state.restarts += 1
    return True


def pod_status(pod: Json, states: Sequence[ContainerState], ip: str, host_ip: str, now: str) -> Json:
    """Status of a pod; conditions keep the time of their last change."""
    inits = [s for s in states if s.kind != "main"]
    mains = [s for s in states if s.kind == "main"]
    phase = _phase(pod["spec"].get("restartPolicy", "Always"), inits, mains)
    initialized = all(_is_through(state) for state in inits) or phase == "Succeeded"
    serving = [s for s in states if s.kind != "init"]
    unready = [s.name for s in serving if not s.ready]
    ready = phase == "Running" and not unready
    old = {c["type"]: c for c in pod.get("status", {}).get("conditions", [])}
    why = "PodCompleted" if phase in ("Succeeded", "Failed") else "ContainersNotReady"
    which = f"containers with unready status: [{' '.join(unready)}]"
    unfinished = [state.name for state in inits if not _is_through(state)]
    not_through = f"containers with incomplete status: [{' '.join(unfinished)}]"
    conditions = [
        _condition(old, "PodReadyToStartContainers", True, "", "", now),
        _condition(old, "Initialized", initialized, "ContainersNotInitialized", not_through, now),
        _condition(old, "ContainersReady", ready, why, which, now),
        _condition(old, "Ready", ready, why, which, now),
    ]
    return {
        "phase": phase,
        "conditions": conditions,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": pod.get("status", {}).get("startTime", now),
        "initContainerStatuses": [container_status(s) for s in inits],
        "containerStatuses": [container_status(s) for s in mains],
    }


def container_status(state: ContainerState) -> Json:
    """Status of one container."""
    kind = "waiting" if state.waiting else "running" if state.running else "terminated"
    done = state.kind == "init" and state.terminated is not None and state.terminated["exitCode"] == 0
    return {
        "name": state.name,
        "image": state.image,
        "imageID": "",
        "containerID": state.identity,
        "restartCount": state.restarts,
        "ready": done or state.ready,
        "started": state.started,
        "state": {kind: getattr(state, kind)},
        "lastState": {"terminated": state.last} if state.last else {},
    }


def _is_through(state: ContainerState) -> bool:
    """Whether the containers after this init container or sidecar may start."""
    if state.kind == "sidecar":
        return state.started
    return state.terminated is not None and state.terminated["exitCode"] == 0


def _phase(policy: str, inits: Sequence[ContainerState], mains: Sequence[ContainerState]) -> str:
    codes = [s.terminated["exitCode"] for s in mains if s.terminated]
    if len(codes) == len(mains) and not any(restarts(policy, "main", code) for code in codes):
        return "Failed" if any(codes) else "Succeeded"
    broken = [s for s in inits if s.kind == "init" and s.terminated and s.terminated["exitCode"]]
    if broken and policy == "Never":
        return "Failed"
    return "Running" if all(s.running or s.terminated or s.last for s in mains) else "Pending"


def _condition(old: dict[str, Json], kind: str, holds: bool, reason: str, message: str, now: str) -> Json:
    status = "True" if holds else "False"
    before = old.get(kind, {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    # null takes away what an earlier status said
    why = {"reason": None, "message": None} if holds else {"reason": reason, "message": message}
    return {"type": kind, "status": status, "lastTransitionTime": since or now, **why}
