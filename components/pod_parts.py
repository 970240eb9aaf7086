"""What our own programs have in common: labels, who they run as, what they may, how they are asked. Pure."""

from typing import Any

from components import naming, quantity
from components.spec import Manifest, Resources


def one_object(api_version: str, kind: str, name: str, namespace: str, **fields: Any) -> Manifest:
    """An object of a program that is there once in a stack, so that its name says all."""
    metadata = {"name": name, "namespace": namespace, "labels": naming.labels(name, name)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def pod_security(user_id: int) -> dict[str, Any]:
    """Pod securityContext: a user by number, because the kubelet cannot check a name."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
        "fsGroup": user_id,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Container securityContext: no rights, and nothing to write to but its volumes."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def requests_and_limits(resources: Resources) -> dict[str, Any]:
    """No CPU limit: throttling stalls whatever is asked meanwhile."""
    return {
        "requests": {
            "cpu": quantity.cpu(resources.cpu_millicores),
            "memory": quantity.mebibytes(resources.memory_mib),
        },
        "limits": {"memory": quantity.mebibytes(resources.memory_limit_mib)},
    }


def probe(
    handler: dict[str, Any], *, period_seconds: int, for_seconds: int, timeout_seconds: int
) -> dict[str, Any]:
    """A probe that gives up after failing `for_seconds`."""
    return {
        **handler,
        "periodSeconds": period_seconds,
        "timeoutSeconds": timeout_seconds,
        "failureThreshold": for_seconds // period_seconds,
    }
