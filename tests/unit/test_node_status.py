"""Container states become the status a kubelet would report."""

from typing import Any

import pytest

from local.node.status import ContainerState, Kind, container_status, pod_status, restarts, resumed

NOW, BEFORE = "2026-01-01T00:00:10Z", "2026-01-01T00:00:00Z"


def _state(kind: Kind = "main", how: str = "running", *, code: int = 0, ready: bool = True) -> ContainerState:
    state = ContainerState("c", "i", kind)
    if how != "waiting":
        state.run(BEFORE)
        state.started, state.ready = True, ready
    if how == "ended":
        state.end(code, NOW)
    return state


def _status(*states: ContainerState, policy: str = "Always", old: Any = None) -> dict[str, Any]:
    pod = {"spec": {"restartPolicy": policy}, "status": old or {}}
    return pod_status(pod, states, "198.18.0.1", "127.0.0.1", NOW)


def _conditions(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


@pytest.mark.parametrize(
    ("states", "policy", "phase", "ready"),
    [
        ([_state(how="waiting")], "Always", "Pending", "False"),
        ([_state()], "Always", "Running", "True"),
        ([_state(ready=False)], "Always", "Running", "False"),
        ([_state(), _state(ready=False)], "Always", "Running", "False"),
        ([_state(), _state(how="waiting")], "Always", "Pending", "False"),
        ([_state(how="ended", code=1)], "Always", "Running", "False"),
        ([_state(how="ended", code=0)], "OnFailure", "Succeeded", "False"),
        ([_state(how="ended", code=1)], "OnFailure", "Running", "False"),
        ([_state(how="ended", code=1)], "Never", "Failed", "False"),
        ([_state(how="ended", code=0), _state()], "Never", "Running", "False"),
        ([_state("init"), _state(how="waiting")], "Always", "Pending", "False"),
        ([_state("init", "ended", code=1), _state(how="waiting")], "Never", "Failed", "False"),
        ([_state("init", "ended"), _state()], "Always", "Running", "True"),
        ([_state("sidecar", ready=False), _state()], "Always", "Running", "False"),
        ([_state("sidecar", "ended", code=1), _state(how="ended")], "Never", "Succeeded", "False"),
    ],
)
def test_phase_and_readiness(states: list[ContainerState], policy: str, phase: str, ready: str) -> None:
    status = _status(*states, policy=policy)
    assert (status["phase"], _conditions(status)["Ready"]) == (phase, ready)


def test_an_unfinished_init_container_is_named() -> None:
    status = _status(_state("init"), _state(how="waiting"))
    assert _conditions(status)["Initialized"] == "False"
    assert status["conditions"][1]["message"] == "containers with incomplete status: [c]"


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    old = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": BEFORE}]}
    assert _status(_state(), old=old)["conditions"][3]["lastTransitionTime"] == BEFORE
    assert _status(_state(ready=False), old=old)["conditions"][3]["lastTransitionTime"] == NOW


@pytest.mark.parametrize(
    ("policy", "kind", "code", "again"),
    [
        ("Always", "main", 0, True),
        ("Always", "main", 1, True),
        ("OnFailure", "main", 0, False),
        ("OnFailure", "main", 1, True),
        ("Never", "main", 1, False),
        ("Always", "init", 0, False),
        ("Always", "init", 1, True),
        ("Never", "init", 1, False),
        ("Never", "sidecar", 0, True),
    ],
)
def test_who_is_started_again(policy: str, kind: Kind, code: int, again: bool) -> None:
    assert restarts(policy, kind, code) is again


@pytest.mark.parametrize(
    ("code", "shown", "reason"),
    [(0, 0, "Completed"), (3, 3, "Error"), (-9, 137, "Error"), (-15, 143, "Error")],
)
def test_an_end_is_told_as_the_kubelet_does(code: int, shown: int, reason: str) -> None:
    ended = container_status(_state(how="ended", code=code))["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["startedAt"]) == (shown, reason, BEFORE)


def test_waiting_after_an_end_shows_both() -> None:
    state = _state(how="ended", code=1)
    state.wait("CrashLoopBackOff", "back-off 10s")
    status = container_status(state)
    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert status["lastState"]["terminated"]["exitCode"] == 1


def _reported(**state: Any) -> dict[str, Any]:
    return {"restartCount": 2, "state": state, "lastState": {}}


RAN = _reported(running={"startedAt": BEFORE})
FAILED = _reported(terminated={"exitCode": 1})
DONE = _reported(terminated={"exitCode": 0})


@pytest.mark.parametrize(
    ("before", "policy", "kind", "starts", "count"),
    [
        (None, "Always", "main", True, 0),
        (RAN, "Always", "main", True, 3),
        (RAN, "Never", "main", False, 2),
        (FAILED, "OnFailure", "main", True, 3),
        (DONE, "OnFailure", "main", False, 2),
        (DONE, "Always", "init", True, 3),
        (_reported(waiting={"reason": "ErrImagePull"}), "Always", "main", True, 2),
    ],
)
def test_a_restarted_node_takes_up_what_the_last_one_reported(
    before: dict[str, Any] | None, policy: str, kind: Kind, starts: bool, count: int
) -> None:
    state = ContainerState("c", "i", kind)
    assert resumed(state, policy, before, NOW) is starts
    assert state.restarts == count
