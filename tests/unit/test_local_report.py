"""Rows of the tables that `make up` and `make status` print."""

from typing import Any

from local.report import is_ready, model_rows, namespace, node_rows, scalers_behind, why_not_ready

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
        "metadata": {"name": "chat-v1-abc"},
        "spec": {
            "nodeName": node,
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


def test_a_pod_that_waits_says_why_in_kubernetes_words() -> None:
    condition = {"type": "PodScheduled", "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}

    assert why_not_ready({"status": {"conditions": [condition]}}) == condition["message"]
    assert why_not_ready({"status": {"phase": "Pending"}}) == "phase Pending"


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
