"""The namespace and what holds for everything in it: pod security, quota, closed network. Pure."""

from components import naming, quantity
from components.spec import Manifest, NamespaceSpec

_POD_SECURITY = "pod-security.kubernetes.io"


def namespace(spec: NamespaceSpec, *, host_paths: bool = False, readiness_gates: bool = False) -> Manifest:
    """The Namespace. All our pods keep to `restricted`, and one that does not is warned about and audited.

    Only `baseline` is enforced: images that users bring may need root, and none needs more. It forbids
    folders of the node, so with `host_paths` (a cache kept there) nothing is enforced. `readiness_gates` lets
    the AWS Load Balancer Controller hold a new pod back until its load balancer has it.
    """
    levels = {
        "enforce": "privileged" if host_paths else "baseline",
        "warn": "restricted",
        "audit": "restricted",
    }
    gates = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"} if readiness_gates else {}
    security = {f"{_POD_SECURITY}/{mode}": level for mode, level in levels.items()}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": spec.name, "labels": {**_labels(spec), **security, **gates}},
    }


def namespace_rules(spec: NamespaceSpec) -> dict[str, Manifest]:
    """What is put into the namespace before any pod, by a short fixed key."""
    return {"quota": resource_quota(spec), "default-deny": default_deny(spec)}


def resource_quota(spec: NamespaceSpec) -> Manifest:
    """What all pods together may ask for: enough for every autoscaler's maximum, not for a mistake.

    A pod that does not say what it asks for is refused.
    """
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": spec.name, "namespace": spec.name, "labels": _labels(spec)},
        "spec": {
            "hard": {
                "pods": str(spec.pods),
                "requests.cpu": quantity.cpu(spec.cpu_millicores),
                "requests.memory": quantity.mebibytes(spec.memory_mib),
                f"requests.{naming.GPU_RESOURCE}": str(spec.gpus),
            }
        },
    }


def default_deny(spec: NamespaceSpec) -> Manifest:
    """Nobody may connect to or from a pod unless another policy allows it."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": spec.name, "labels": _labels(spec)},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def _labels(spec: NamespaceSpec) -> dict[str, str]:
    return naming.labels("namespace", spec.name)
