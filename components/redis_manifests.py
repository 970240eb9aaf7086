"""The manifests of the stack's own Redis, which shares limits between gateway replicas. Pure."""

import hashlib
from typing import Any

from components import naming, quantity
from components.network_rules import pods, policy_spec, tcp
from components.pod_parts import container_security, one_object, pod_security, probe, requests_and_limits
from components.spec import Manifest, RedisSpec

NAME = "redis"
"""Kubernetes name of all its objects, and the host name of its Service."""
PORT = 6379
ACCOUNTS_FILE = "users.acl"
_ACCOUNTS_FOLDER = "/etc/redis"
_DATA_FOLDER = "/data"
_USER_ID = 999
"""`redis` in the official Debian image (docker-library/redis Dockerfile)."""


def redis_manifests(spec: RedisSpec) -> dict[str, Manifest]:
    """All manifests but the Secret by a short fixed key, in the order they are to be made."""
    return {
        "service-account": _object(
            spec.namespace, "v1", "ServiceAccount", automountServiceAccountToken=False
        ),
        "network-policy": network_policy(spec),
        "service": service(spec),
        "server": stateful_set(spec),
    }


def accounts_secret(spec: RedisSpec, accounts: Any) -> Manifest:
    """The document of `accounts_document`; Redis reads it at start."""
    return _object(spec.namespace, "v1", "Secret", type="Opaque", stringData={ACCOUNTS_FILE: accounts})


def accounts_document(password: str) -> str:
    """Redis' ACL file: the one account, by the hash of its password, so that no argument carries it."""
    return f"user default on #{hashlib.sha256(password.encode()).hexdigest()} ~* &* +@all\n"


def accounts_template() -> str:
    """The same document, made of the password in the cluster (RemoteValue.template)."""
    return "user default on #{{ $value | sha256sum }} ~* &* +@all\n"


def network_policy(spec: RedisSpec) -> Manifest:
    """In: the gateway alone. Out: nothing."""
    return _object(
        spec.namespace,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec=policy_spec(
            naming.selector(NAME, NAME),
            ingress=[{"from": [pods(spec.gateway_labels)], "ports": tcp(NAME)}],
            egress=[],
        ),
    )


def service(spec: RedisSpec) -> Manifest:
    """Where the gateway asks."""
    port = {"name": NAME, "port": PORT, "targetPort": NAME, "protocol": "TCP"}
    selector = naming.selector(NAME, NAME)
    return _object(
        spec.namespace, "v1", "Service", spec={"type": "ClusterIP", "selector": selector, "ports": [port]}
    )


def stateful_set(spec: RedisSpec) -> Manifest:
    """One pod with a volume: counters and budgets outlive it, and the gateway serves on while it is away."""
    storage_class = {} if spec.storage_class is None else {"storageClassName": spec.storage_class}
    return _object(
        spec.namespace,
        "apps/v1",
        "StatefulSet",
        spec={
            "serviceName": NAME,
            "replicas": 1,
            "selector": {"matchLabels": naming.selector(NAME, NAME)},
            "revisionHistoryLimit": 3,
            "template": {"metadata": {"labels": naming.labels(NAME, NAME)}, "spec": _pod(spec)},
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        **storage_class,
                        "resources": {"requests": {"storage": quantity.gibibytes(spec.storage_gib)}},
                    },
                }
            ],
        },
    )


def _pod(spec: RedisSpec) -> dict[str, Any]:
    asked = probe({"tcpSocket": {"port": NAME}}, period_seconds=5, for_seconds=15, timeout_seconds=1)
    # Counters have an end of life; when memory is short the next to end goes first.
    limits = ["--maxmemory", f"{spec.resources.memory_mib * 3 // 4}mb", "--maxmemory-policy", "volatile-ttl"]
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": pod_security(_USER_ID),
        "containers": [
            {
                "name": NAME,
                "image": spec.image,
                "command": ["redis-server"],
                "args": [
                    *("--bind", "0.0.0.0", "--port", str(PORT), "--dir", _DATA_FOLDER),  # noqa: S104
                    *("--aclfile", f"{_ACCOUNTS_FOLDER}/{ACCOUNTS_FILE}"),
                    *("--appendonly", "yes", "--save", ""),
                    *limits,
                ],
                "ports": [{"name": NAME, "containerPort": PORT, "protocol": "TCP"}],
                "resources": requests_and_limits(spec.resources),
                "readinessProbe": asked,
                "livenessProbe": {**asked, "failureThreshold": 12},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": container_security(),
                "volumeMounts": [
                    {"name": "accounts", "mountPath": _ACCOUNTS_FOLDER, "readOnly": True},
                    {"name": "data", "mountPath": _DATA_FOLDER},
                ],
            }
        ],
        "volumes": [{"name": "accounts", "secret": {"secretName": NAME, "defaultMode": 0o440}}],
    }


def _object(namespace: str, api_version: str, kind: str, **fields: Any) -> Manifest:
    return one_object(api_version, kind, NAME, namespace, **fields)
