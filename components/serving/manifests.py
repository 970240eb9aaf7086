"""The manifests of one version of a model: everything that belongs to it and to nothing else. Pure."""

import posixpath
from typing import Any

from components import naming, quantity
from components.engines import adapter
from components.network_rules import ANYWHERE, NAMES, OWN_PROMETHEUS, namespace, pods, policy_spec, tcp
from components.serving.pod import config_name, pod_template
from components.serving.router_pod import router_selector
from components.serving.scaling_manifests import scaler
from components.spec import Manifest, VersionSpec

SERVICE_PORT = 80
"""Of every version's Service, so that its address is `http://<name>`."""
REVISIONS_KEPT = 3
"""Old ReplicaSets; the way back is the stack file's, not these."""
_POD_IDENTITY_AGENT = "169.254.170.23/32"


def version_manifests(spec: VersionSpec) -> dict[str, Manifest]:
    """All manifests of a version by a short fixed key, in the order they are to be made.

    Raises ValueError for an engine version without flag table.
    """
    made: dict[str, Manifest | None] = {
        "service-account": service_account(spec),
        "config": config_map(spec),
        "cache": cache_claim(spec),
        "network-policy": network_policy(spec),
        "service": service(spec),
        "disruption-budget": disruption_budget(spec),
        "deployment": deployment(spec),
        "scaler": _scaler(spec),
    }
    return {key: manifest for key, manifest in made.items() if manifest is not None}


def deployment(spec: VersionSpec) -> Manifest:
    """The Deployment; without `replicas` where an autoscaler owns the count."""
    one_pod_seconds = spec.startup_seconds + spec.grace_seconds
    surge, unavailable = (1, 0) if spec.surge else (0, 1)
    metadata = _metadata(spec)
    # Pulumi gives up after the Deployment's own deadline could have told why; pods are rolled one by one.
    timeout = {"pulumi.com/timeoutSeconds": str(spec.min_replicas * one_pod_seconds + spec.node_seconds + 60)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata, "annotations": timeout},
        "spec": {
            **({} if spec.scaling else {"replicas": spec.min_replicas}),
            "selector": {"matchLabels": naming.selector("engine", spec.name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
            },
            "progressDeadlineSeconds": one_pod_seconds + spec.node_seconds,
            "revisionHistoryLimit": REVISIONS_KEPT,
            "template": pod_template(spec, metadata["labels"]),
        },
    }


def service(spec: VersionSpec) -> Manifest:
    """The version's own address, whether it has traffic or not."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(spec),
        "spec": {
            "type": "ClusterIP",
            "selector": naming.selector("engine", spec.name),
            "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def disruption_budget(spec: VersionSpec) -> Manifest:
    """At least one pod stays while a node is drained; a lone pod may go, or its node could never be.

    Pods that are not ready protect nothing and never hold up a drain.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(spec),
        "spec": {
            **({"minAvailable": 1} if spec.min_replicas > 1 else {"maxUnavailable": 1}),
            "selector": {"matchLabels": naming.selector("engine", spec.name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service_account(spec: VersionSpec) -> Manifest:
    """An identity without rights in the cluster; cloud roles are bound to it by name."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(spec),
        "automountServiceAccountToken": False,
    }


def network_policy(spec: VersionSpec) -> Manifest:
    """In: gateway and monitoring, to the engine's port. Out: names, and HTTPS for weights.

    Engines' APIs are open behind their port (sleep, pull, weight updates), so nobody else may connect.
    Weights come from addresses nobody can list ahead, so HTTPS goes anywhere but to the node's metadata
    services; the Pod Identity agent is allowed where weights lie in S3.
    """
    callers = [
        pods(spec.gateway_labels),
        namespace(spec.monitoring_namespace),
        OWN_PROMETHEUS,
        *([pods(router_selector(spec))] if spec.router else []),
    ]
    egress = [NAMES, {"to": [ANYWHERE], "ports": tcp(443)}]
    if spec.engine.model.startswith("s3://"):
        agent = {"ipBlock": {"cidr": _POD_IDENTITY_AGENT}}
        egress.append({"to": [agent], "ports": tcp(80)})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(spec),
        "spec": policy_spec(
            naming.selector("engine", spec.name),
            ingress=[{"from": callers, "ports": tcp("http")}],
            egress=egress,
        ),
    }


def config_map(spec: VersionSpec) -> Manifest | None:
    """The engine's config files under a name that changes with them; None if it has none."""
    name = config_name(spec)
    if name is None:
        return None
    files = adapter(spec.engine.engine).container(spec.engine).config_files
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**_metadata(spec), "name": name},
        "data": {posixpath.basename(path): text for path, text in sorted(files.items())},
    }


def cache_claim(spec: VersionSpec) -> Manifest | None:
    """One volume that all pods of the version share (EFS, FSx); None for other kinds of cache."""
    if spec.cache.kind != "pvc":
        return None
    storage_class = {} if spec.cache.storage_class is None else {"storageClassName": spec.cache.storage_class}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(spec),
        "spec": {
            "accessModes": ["ReadWriteMany"],
            **storage_class,
            "resources": {"requests": {"storage": quantity.gibibytes(spec.cache.size_gib)}},
        },
    }


def _scaler(spec: VersionSpec) -> Manifest | None:
    if spec.scaling is None:
        return None
    return scaler(spec.name, spec.namespace, _metadata(spec)["labels"], spec.scaling)


def _metadata(spec: VersionSpec) -> dict[str, Any]:
    labels = naming.labels(
        "engine", spec.name, engine=spec.engine.engine, model=spec.model, version=spec.version
    )
    return {"name": spec.name, "namespace": spec.namespace, "labels": labels}
