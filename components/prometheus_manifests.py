"""The manifests of the stack's own Prometheus, for clusters that have none. Pure."""

from typing import Any

import yaml

from components import naming, quantity
from components.network_rules import API_SERVER, NAMES, PROMETHEUS, namespace, pods, policy_spec, tcp
from components.pod_parts import (
    container_security,
    one_object,
    pod_security,
    probe,
    requests_and_limits,
)
from components.prometheus_config import CONFIG_FOLDER, PORT, prometheus_config, rules_config
from components.spec import Manifest, PrometheusSpec

NAME = PROMETHEUS
"""Kubernetes name of all its objects; it is there once in a stack."""
DATA_FOLDER = "/prometheus"
_USER_ID = 65534
"""nobody, the image's own user (prometheus/prometheus Dockerfile)."""
_STARTUP_SECONDS = 300
"""Reading back a day of write-ahead log takes much less (our choice)."""


def prometheus_manifests(spec: PrometheusSpec) -> dict[str, Manifest]:
    """All manifests by a short fixed key, in the order they are to be made."""
    config = config_map(spec)
    made: dict[str, Manifest | None] = {
        "service-account": _object(
            spec.namespace, "v1", "ServiceAccount", automountServiceAccountToken=False
        ),
        "role": role(spec),
        "role-binding": role_binding(spec),
        "config": config,
        "data": _claim(spec),
        "network-policy": network_policy(spec),
        "service": service(spec),
        "deployment": deployment(spec, config["metadata"]["name"]),
    }
    return {key: manifest for key, manifest in made.items() if manifest is not None}


def role(spec: PrometheusSpec) -> Manifest:
    """The right to see the namespace's pods, which is how targets are found."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    return _object(spec.namespace, "rbac.authorization.k8s.io/v1", "Role", rules=rules)


def role_binding(spec: PrometheusSpec) -> Manifest:
    """That right, to its own service account."""
    group = "rbac.authorization.k8s.io"
    return _object(
        spec.namespace,
        f"{group}/v1",
        "RoleBinding",
        roleRef={"apiGroup": group, "kind": "Role", "name": NAME},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": spec.namespace}],
    )


def config_map(spec: PrometheusSpec) -> Manifest:
    """Scrape configuration and rules, under a name that changes with them."""
    data = {
        "prometheus.yml": yaml.safe_dump(prometheus_config(spec), sort_keys=False),
        "rules.yml": yaml.safe_dump(rules_config(spec.rules), sort_keys=False),
    }
    made = _object(spec.namespace, "v1", "ConfigMap", data=data)
    made["metadata"]["name"] = f"{NAME}-{naming.content_hash(data)}"
    return made


def service(spec: PrometheusSpec) -> Manifest:
    """Where autoscalers, dashboards and releases ask."""
    return _object(
        spec.namespace,
        "v1",
        "Service",
        spec={
            "type": "ClusterIP",
            "selector": naming.selector(NAME, NAME),
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    )


def network_policy(spec: PrometheusSpec) -> Manifest:
    """In: the namespaces that may ask. Out: names, the API server, and the pods it scrapes."""
    readers = [namespace(name) for name in spec.readers]
    return _object(
        spec.namespace,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec=policy_spec(
            naming.selector(NAME, NAME),
            ingress=[{"from": readers, "ports": tcp("http")}],
            egress=[NAMES, API_SERVER, {"to": [pods({})]}],
        ),
    )


def deployment(spec: PrometheusSpec, config_name: str) -> Manifest:
    """One pod; a volume of its own can be held by one only, so the old pod goes first."""
    made = _object(
        spec.namespace,
        "apps/v1",
        "Deployment",
        spec={
            "replicas": 1,
            "selector": {"matchLabels": naming.selector(NAME, NAME)},
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 3,
            "template": {
                "metadata": {
                    "labels": naming.labels(NAME, NAME),
                    "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)},
                },
                "spec": _pod(spec, config_name),
            },
        },
    )
    made["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": str(_STARTUP_SECONDS + 600)}
    return made


def _pod(spec: PrometheusSpec, config_name: str) -> dict[str, Any]:
    data: dict[str, Any] = (
        {"emptyDir": {"sizeLimit": "10Gi"}}
        if spec.storage_gib is None
        else {"persistentVolumeClaim": {"claimName": NAME}}
    )
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": pod_security(_USER_ID),
        "containers": [_container(spec)],
        "volumes": [{"name": "config", "configMap": {"name": config_name}}, {"name": "data", **data}],
    }


def _container(spec: PrometheusSpec) -> dict[str, Any]:
    return {
        "name": NAME,
        "image": spec.image,
        "args": [
            f"--config.file={CONFIG_FOLDER}/prometheus.yml",
            f"--storage.tsdb.path={DATA_FOLDER}",
            f"--storage.tsdb.retention.time={spec.retention_hours}h",
            f"--web.listen-address=0.0.0.0:{PORT}",
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": requests_and_limits(spec.resources),
        "startupProbe": _probe("/-/ready", 5, _STARTUP_SECONDS),
        "readinessProbe": _probe("/-/ready", 5, 15),
        "livenessProbe": _probe("/-/healthy", 10, 60),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "data", "mountPath": DATA_FOLDER},
        ],
    }


def _probe(path: str, period_seconds: int, for_seconds: int) -> dict[str, Any]:
    handler = {"httpGet": {"path": path, "port": "http"}}
    return probe(handler, period_seconds=period_seconds, for_seconds=for_seconds, timeout_seconds=3)


def _claim(spec: PrometheusSpec) -> Manifest | None:
    if spec.storage_gib is None:
        return None
    storage_class = {} if spec.storage_class is None else {"storageClassName": spec.storage_class}
    made = _object(
        spec.namespace,
        "v1",
        "PersistentVolumeClaim",
        spec={
            "accessModes": ["ReadWriteOnce"],
            **storage_class,
            "resources": {"requests": {"storage": quantity.gibibytes(spec.storage_gib)}},
        },
    )
    # It is bound once the pod is placed, and the pod is made after it.
    made["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    return made


def _object(namespace: str, api_version: str, kind: str, **fields: Any) -> Manifest:
    return one_object(api_version, kind, NAME, namespace, **fields)
