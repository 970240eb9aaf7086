"""What the charts need before them: namespaces, a StorageClass, Secrets. Pure."""

from collections.abc import Iterable
from typing import Any

from components import naming
from components.platform import values
from components.platform.releases import namespace_of
from components.platform.spec import PlatformSpec
from components.spec import Manifest

STORAGE_CLASS = "gp3"
_NOT_OURS = ("kube-system",)
_PRIVILEGED = ("nvidia-device-plugin", "dcgm-exporter", "kube-prometheus-stack")
"""Releases with pods that use folders, the network or devices of their node."""


def namespaces(spec: PlatformSpec, releases: Iterable[str]) -> dict[str, Manifest]:
    """A namespace for every release outside kube-system, by its name."""
    made: dict[str, Manifest] = {}
    for release in releases:
        name = namespace_of(release, spec)
        if name in _NOT_OURS:
            continue
        level = "privileged" if release in _PRIVILEGED else "baseline"
        if name not in made or level == "privileged":
            made[name] = _namespace(name, level)
    return made


def storage_class() -> Manifest:
    """The cluster's default: encrypted gp3, made in the zone of the pod that first uses it.

    EKS brings no default class since 1.30, and its `gp2` does not encrypt.
    """
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "labels": naming.labels("platform", STORAGE_CLASS),
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3", "encrypted": "true"},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def grafana_secret(password: Any) -> Manifest:
    """User and password of Grafana's administrator."""
    data = {values.GRAFANA_USER_KEY: "admin", values.GRAFANA_PASSWORD_KEY: password}
    return _secret(values.GRAFANA_SECRET, data)


def alertmanager_secret(config: Any) -> Manifest:
    """Alertmanager's configuration file: whom alerts reach, and with which credentials."""
    return _secret(values.ALERTMANAGER_SECRET, {"alertmanager.yaml": config})


def _namespace(name: str, level: str) -> Manifest:
    security = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn", "audit")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**naming.labels("platform", name), **security}},
    }


def _secret(name: str, data: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": naming.labels("platform", name)},
        "type": "Opaque",
        "stringData": data,
    }
