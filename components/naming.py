"""Names, labels and hashes shared by every manifest. Pure: the same input always gives the same text."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

DOMAIN = "llmserve.dev"
POOL_LABEL = f"{DOMAIN}/pool"
MODEL_LABEL = f"{DOMAIN}/model"
VERSION_LABEL = f"{DOMAIN}/version"
ENGINE_LABEL = f"{DOMAIN}/engine"
GPU_RESOURCE = "nvidia.com/gpu"
GPU_TAINT = "nvidia.com/gpu"
GPU_PRESENT_LABEL = "nvidia.com/gpu.present"

TAG_PREFIX = "llmserve:"
"""Start of our own AWS tag keys."""

MAX_NAME_LENGTH = 63
"""Longest DNS-1123 label, and so the longest name of a Service (Kubernetes object names documentation)."""
MAX_WORKLOAD_NAME_LENGTH = 46
"""Longest Deployment name whose pod names (name, dash, template hash of up to 10, dash, suffix of 5) are
still DNS labels of 63, so that no pod name is cut short."""

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def is_name(text: str) -> bool:
    """Whether `text` is a lower-case DNS label that starts with a letter, as Services need."""
    return len(text) <= MAX_NAME_LENGTH and _NAME.fullmatch(text) is not None


def version_name(model: str, version: str) -> str:
    """Name of everything that belongs to one version of a model: Deployment, Service, PDB and so on."""
    return f"{model}-{version}"


def labels(component: str, instance: str, **extra: str) -> dict[str, str]:
    """Labels of an object: the recommended Kubernetes set, then `extra` under our own domain."""
    return {
        "app.kubernetes.io/name": component,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/part-of": "llmserve",
        "app.kubernetes.io/managed-by": "pulumi",
        **{f"{DOMAIN}/{key}": value for key, value in sorted(extra.items())},
    }


def selector(component: str, instance: str) -> dict[str, str]:
    """The subset of `labels` that never changes in an object's life, so that selectors may use it."""
    return {"app.kubernetes.io/name": component, "app.kubernetes.io/instance": instance}


def tags(cluster: str, environment: str, extra: Mapping[str, str]) -> dict[str, str]:
    """AWS tags of everything a stack makes; our own keys win over `extra`."""
    own = {"cluster": cluster, "environment": environment, "managed-by": "pulumi"}
    return dict(sorted({**extra, **{f"{TAG_PREFIX}{key}": value for key, value in own.items()}}.items()))


def content_hash(content: Mapping[str, Any]) -> str:
    """Ten hex digits that change whenever `content` does; part of the name of a mounted ConfigMap."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
