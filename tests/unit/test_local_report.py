"""Rows of the tables that `make up` and `make status` print."""

from typing import Any

import pytest

from local.report import (
    is_ready,
    model_rows,
    namespace,
    node_rows,
    pod_rows,
    scalers_behind,
    why_not_ready,
)

NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
}
NOT_READY = {"type": "Ready", "message": "containers with unready status: [engine]"}
ENDED = {"terminated": {"exitCode": 2, "reason": "Error", "message": "usage\nvllm: error: unknown --x\n"}}
CRASHING = {
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    "lastState": ENDED,
}
RUNS_AGAIN = {"state": {"running": {}}, "lastState": ENDED}
CRASHED = "CrashLoopBackOff: back-off 10s; it ended with Error (exit code 2): vllm: error: unknown --x"

OUTPUTS: dict[str, Any] = {
    "gateway": {"service": "gateway.llmserve", "port": 80, "url": "http://gateway.llmserve:80"},
    "models": {
        "chat": {
            "v1": {"engine": "vllm", "pool": "l4", "weight_percent": 90, "service": "chat-v1.llmserve"},
            "v2": {"engine": "vllm", "pool": "l4", "weight_percent": 10, "service": "chat-v2.llmserve"},
            "v3": {
                "engine": "vllm",
                "pool": "l4",
                "weight_percent": 0,
                "service": "chat-v3.llmserve",
                "replicas": {"min": 2, "max": 4},
            },
        },
        "openai": {"openai": {"engine": "openai", "weight_percent": 100}},
    },
}


def pod(ready: str, node: str = "l4-0", gpus: str = "1") -> dict[str, Any]:
    return {
        "metadata": {"name": "chat-v1-abc", "labels": {}},
        "spec": {
            "nodeName": node or None,
            "containers": [{"resources": {"limits": {"nvidia.com/gpu": gpus}}}, {"name": "sidecar"}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    }


def test_each_version_shows_its_replicas_a_lost_one_has_none_ready_and_a_provider_has_none() -> None:
    deployments = [
        {"metadata": {"name": "chat-v1"}, "spec": {"replicas": 2}, "status": {"readyReplicas": 1}},
        {"metadata": {"name": "chat-v2"}, "spec": {"replicas": 1}, "status": {}},
    ]

    rows = model_rows(OUTPUTS["models"], deployments)

    assert [(r["model"], r["version"], r["weight_percent"], r["ready"], r["wanted"]) for r in rows] == [
        ("chat", "v1", 90, 1, 2),
        ("chat", "v2", 10, 0, 1),
        ("chat", "v3", 0, 0, 2),
        ("openai", "openai", 100, None, None),
    ]


def test_a_node_shows_the_gpus_its_pods_ask_for() -> None:
    node = {
        "metadata": {
            "name": "l4-0",
            "labels": {"llmserve.dev/pool": "l4", "node.kubernetes.io/instance-type": "g6.12xlarge"},
        },
        "status": {
            "allocatable": {"nvidia.com/gpu": "4"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }

    assert node_rows([node], [pod("True"), pod("True", gpus="2"), pod("True", node="other")]) == [
        {
            "name": "l4-0",
            "pool": "l4",
            "instance_type": "g6.12xlarge",
            "ready": True,
            "gpus": 4,
            "gpus_used": 3,
        }
    ]


def test_a_pod_is_ready_by_its_condition_or_when_it_has_ended_well() -> None:
    assert is_ready(pod("True"))
    assert not is_ready(pod("False"))
    assert is_ready({"status": {"phase": "Succeeded"}})


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"conditions": [NO_ROOM, NOT_READY]}, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        ({"phase": "Pending"}, "phase Pending"),
        ({"conditions": [NOT_READY]}, "containers with unready status: [engine]"),
        ({"conditions": [NOT_READY], "containerStatuses": [CRASHING]}, CRASHED),
        (
            {"conditions": [NOT_READY], "containerStatuses": [RUNS_AGAIN]},
            f"containers with unready status: [engine]; {CRASHED.partition('; ')[2]}",
        ),
    ],
)
def test_a_pod_that_waits_says_why_in_kubernetes_words(status: dict[str, Any], why: str) -> None:
    assert why_not_ready({"status": status}) == why


def test_a_pod_shows_where_and_as_which_process_it_runs() -> None:
    running = {"restartCount": 2, "containerID": "process://4711-ab12", "state": {"running": {}}}
    real = pod("True")
    real["metadata"]["labels"] = {"llmserve.dev/model": "chat", "llmserve.dev/version": "v1"}
    real["spec"]["containers"][0]["ports"] = [{"containerPort": 8000}]
    real["status"] |= {"podIP": "198.18.3.4", "containerStatuses": [running]}
    fake = pod("False", node="")
    fake["metadata"] = {"name": "gateway-x", "labels": {}}
    fake["status"] |= {"podIP": "10.244.0.1", "phase": "Pending", "conditions": [NO_ROOM]}

    assert pod_rows([fake, real]) == [
        {
            "name": "chat-v1-abc",
            "model": "chat",
            "version": "v1",
            "node": "l4-0",
            "address": "http://127.18.3.4:8000",
            "pid": 4711,
            "ready": True,
            "phase": "Running",
            "restarts": 2,
            "why_not_ready": None,
        },
        {
            "name": "gateway-x",
            "model": None,
            "version": None,
            "node": None,
            "address": None,
            "pid": None,
            "ready": False,
            "phase": "Pending",
            "restarts": 0,
            "why_not_ready": NO_ROOM["message"],
        },
    ]


def test_the_namespace_is_the_gateway_s() -> None:
    assert namespace(OUTPUTS) == "llmserve"


def test_an_autoscaler_is_behind_until_its_least_replicas_are_there() -> None:
    def scaler(name: str, least: int, status: dict[str, int]) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"minReplicas": least}, "status": status}

    found = [
        scaler("new", 2, {}),
        scaler("one", 2, {"currentReplicas": 1}),
        scaler("ok", 2, {"currentReplicas": 2}),
    ]

    assert scalers_behind(found) == ["new", "one"]
