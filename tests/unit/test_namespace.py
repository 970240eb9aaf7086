"""The namespace and what holds for everything in it."""

import pytest
import yaml

from components.gateway.manifests import gateway_manifests
from components.namespace_manifests import namespace, namespace_rules
from components.spec import NamespaceSpec
from tests.snapshot import assert_snapshot
from tests.unit.gateway_examples import spec

PLACE = NamespaceSpec(name="llmserve", cpu_millicores=12_500, memory_mib=65_536, gpus=8, pods=14)
SECURITY = "pod-security.kubernetes.io"


def test_all_manifests_are_as_recorded() -> None:
    made = [namespace(PLACE), *namespace_rules(PLACE).values()]
    assert_snapshot("gateway/namespace.yaml", yaml.safe_dump_all(made, sort_keys=False))


@pytest.mark.parametrize(("host_paths", "level"), [(False, "baseline"), (True, "privileged")])
def test_folders_of_the_node_are_the_only_reason_to_enforce_nothing(host_paths: bool, level: str) -> None:
    labels = namespace(PLACE, host_paths=host_paths)["metadata"]["labels"]
    assert labels[f"{SECURITY}/enforce"] == level
    assert (labels[f"{SECURITY}/warn"], labels[f"{SECURITY}/audit"]) == ("restricted", "restricted")


def test_readiness_gates_are_asked_for_only_where_a_load_balancer_gives_them() -> None:
    gate = "elbv2.k8s.aws/pod-readiness-gate-inject"
    assert gate not in namespace(PLACE)["metadata"]["labels"]
    assert namespace(PLACE, readiness_gates=True)["metadata"]["labels"][gate] == "enabled"


def test_the_quota_is_the_specs_total() -> None:
    assert namespace_rules(PLACE)["quota"]["spec"]["hard"] == {
        "pods": "14",
        "requests.cpu": "12500m",
        "requests.memory": "64Gi",
        "requests.nvidia.com/gpu": "8",
    }


def test_everything_is_closed_until_a_policy_opens_it() -> None:
    closed = namespace_rules(PLACE)["default-deny"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_gateways_pod_keeps_to_the_restricted_level() -> None:
    """The rules of the Pod Security Standards, level restricted, that a manifest can break."""
    pod = gateway_manifests(spec(), environment_secret="x")["deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {kind for volume in pod["volumes"] for kind in volume} == {
        "name",
        "configMap",
        "secret",
        "emptyDir",
    }
