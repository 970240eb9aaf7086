"""When an object counts as ready, and what is said when it does not. Shapes as the API server writes them."""

from typing import Any

import pytest

from local.providers.kubernetes.readiness import HopelessError, missing, needs_endpoints, pod_words

VERSIONS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "Ingress": "networking.k8s.io/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
}


def an(kind: str, spec: dict[str, Any] | None = None, generation: int = 1, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": VERSIONS.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": "x", "generation": generation},
        "spec": spec or {},
        "status": status,
    }


def says(sort: str, status: str, message: str = "") -> list[dict[str, str]]:
    return [{"type": sort, "status": status, "message": message}]


def rollout(updated: int, total: int, available: int, seen: int = 1, **more: Any) -> dict[str, Any]:
    counts = {"updatedReplicas": updated, "replicas": total, "availableReplicas": available}
    return an("Deployment", {"replicas": 2}, observedGeneration=seen, **counts, **more)


ADDRESS = {"ingress": [{"ip": "10.1.1.1"}]}


@pytest.mark.parametrize(
    ("live", "lack"),
    [
        (rollout(2, 2, 2), ""),
        (rollout(2, 2, 2, seen=0), "the controller has not seen this version yet"),
        (rollout(1, 2, 2), "1 of 2 replicas are updated"),
        (
            rollout(0, 0, 0, conditions=says("ReplicaFailure", "True", "exceeded quota")),
            "0 of 2 replicas are updated: exceeded quota",
        ),
        (rollout(2, 3, 2), "1 old replicas are still there"),
        (rollout(2, 2, 1), "1 of 2 replicas are available"),
        (an("Deployment", {"replicas": 0}, observedGeneration=1), ""),
        (an("Deployment", {}, observedGeneration=1), "0 of 1 replicas are updated"),
        (an("StatefulSet", {"replicas": 2}, observedGeneration=1, updatedReplicas=2, readyReplicas=2), ""),
        (
            an("StatefulSet", {"replicas": 2}, observedGeneration=1, updatedReplicas=1, readyReplicas=2),
            "1 of 2 replicas are updated",
        ),
        (
            an("StatefulSet", {"replicas": 2}, observedGeneration=1, updatedReplicas=2, readyReplicas=1),
            "1 of 2 replicas are ready",
        ),
        (
            an(
                "StatefulSet",
                {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
                observedGeneration=1,
                updatedReplicas=1,
                readyReplicas=2,
            ),
            "",
        ),
        (
            an(
                "StatefulSet",
                {"replicas": 2, "updateStrategy": {"type": "OnDelete"}},
                observedGeneration=1,
                readyReplicas=2,
            ),
            "",
        ),
        (an("Job", conditions=says("Complete", "True")), ""),
        (an("Job", succeeded=1), "1 completions so far"),
        (an("Job", {"suspend": True}), ""),
        (an("Namespace", phase="Active"), ""),
        (an("Namespace", phase="Terminating"), "the namespace is Terminating"),
        (an("Ingress", loadBalancer=ADDRESS), ""),
        (an("Ingress", loadBalancer={}), "no load balancer has given it an address"),
        (an("CustomResourceDefinition", conditions=says("Established", "True")), ""),
        (an("CustomResourceDefinition"), "the kind is not established yet"),
        (an("ConfigMap"), ""),
        (an("PersistentVolumeClaim", phase="Pending"), ""),
        (an("Deployment", generation=9) | {"apiVersion": "example.com/v1"}, ""),
    ],
)
def test_an_object_says_what_it_lacks(live: dict[str, Any], lack: str) -> None:
    assert missing(live, []) == lack


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (
            rollout(1, 2, 1, conditions=says("Progressing", "False", "has timed out progressing")),
            "has timed out",
        ),
        (an("Job", conditions=says("Failed", "True", "BackoffLimitExceeded")), "BackoffLimitExceeded"),
        (an("CustomResourceDefinition", conditions=says("NamesAccepted", "False", "taken")), "taken"),
    ],
)
def test_what_will_not_become_ready_is_not_waited_for(live: dict[str, Any], words: str) -> None:
    with pytest.raises(HopelessError, match=words):
        missing(live, [])


SELECTS = {"selector": {"b": "2", "a": "1"}, "clusterIP": "10.0.0.1", "type": "ClusterIP"}
READY_SLICE = {"endpoints": [{"conditions": {"ready": False}}, {"conditions": {"ready": True}}]}


@pytest.mark.parametrize(
    ("spec", "status", "slices", "lack"),
    [
        (SELECTS, {}, [READY_SLICE], ""),
        (
            SELECTS,
            {},
            [{"endpoints": [{"conditions": {"ready": False}}]}],
            "no ready pod has the labels a=1,b=2",
        ),
        (SELECTS, {}, [{"endpoints": None}], "no ready pod has the labels a=1,b=2"),
        (SELECTS, {}, [], "no ready pod has the labels a=1,b=2"),
        (SELECTS | {"clusterIP": "None"}, {}, [], ""),
        (SELECTS | {"type": "ExternalName"}, {}, [], ""),
        ({"clusterIP": "10.0.0.1"}, {}, [], ""),
        (SELECTS | {"type": "LoadBalancer"}, {}, [READY_SLICE], "no load balancer has given it an address"),
        (SELECTS | {"type": "LoadBalancer"}, {"loadBalancer": ADDRESS}, [READY_SLICE], ""),
    ],
    ids=[
        "ready",
        "unready",
        "empty slice",
        "no slice",
        "headless",
        "external",
        "no selector",
        "no address",
        "balanced",
    ],
)
def test_a_service_needs_what_it_promises(
    spec: dict[str, Any], status: dict[str, Any], slices: list[dict[str, Any]], lack: str
) -> None:
    assert missing(an("Service", spec, **status), slices) == lack


def test_only_a_service_with_an_address_and_a_selector_needs_endpoints() -> None:
    assert needs_endpoints(an("Service", SELECTS))
    assert not needs_endpoints(an("Service", SELECTS) | {"apiVersion": "serving.example/v1"})
    assert not needs_endpoints({"apiVersion": "v1", "kind": "ConfigMap"})


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {"conditions": says("PodScheduled", "False", "0/2 nodes are available")},
            ["0/2 nodes are available"],
        ),
        ({"conditions": says("PodScheduled", "True")}, []),
        (
            {
                "containerStatuses": [
                    {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "m"}}}
                ]
            },
            ["container c: ImagePullBackOff: m"],
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "c",
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ]
            },
            ["container c: CrashLoopBackOff: exited with 137: OOMKilled"],
        ),
        (
            {"initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}]},
            [],
        ),
        ({"containerStatuses": [{"name": "c", "state": {"running": {}}}]}, []),
    ],
)
def test_a_pod_says_why_it_is_not_ready(status: dict[str, Any], words: list[str]) -> None:
    assert pod_words({"status": status}) == words
