"""vLLM's router before the replicas of one version: who gets the next request. Pure."""

from typing import Any

import yaml

from components import naming
from components.network_rules import (
    API_SERVER,
    NAMES,
    OWN_PROMETHEUS,
    namespace,
    pods,
    policy_spec,
    tcp,
)
from components.pod_parts import one_object
from components.serving.router_pod import (
    COMPONENT,
    KUBECONFIG,
    METRICS_PORT,
    STARTUP_SECONDS,
    router_name,
    router_pod,
    router_selector,
)
from components.spec import Manifest, RouterSpec, VersionSpec

SERVICE_PORT = 80
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_NODE_SECONDS = 600
"""Added to the start budget: a node may have to join and the image to be pulled first (our choice)."""


def router_manifests(version: VersionSpec, spec: RouterSpec) -> dict[str, Manifest]:
    """All manifests of a version's router by a short fixed key, in the order they are to be made."""
    return {
        "service-account": _object(version, "v1", "ServiceAccount", automountServiceAccountToken=False),
        "role": role(version),
        "role-binding": role_binding(version),
        "config": config_map(version),
        "network-policy": network_policy(version),
        "service": service(version),
        "disruption-budget": disruption_budget(version),
        "deployment": deployment(version, spec),
    }


def role(version: VersionSpec) -> Manifest:
    """The right to see the namespace's pods: the router picks the version's own by their labels."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    return _object(version, "rbac.authorization.k8s.io/v1", "Role", rules=rules)


def role_binding(version: VersionSpec) -> Manifest:
    """That right, to its own service account."""
    group, name = "rbac.authorization.k8s.io", router_name(version.name)
    return _object(
        version,
        f"{group}/v1",
        "RoleBinding",
        roleRef={"apiGroup": group, "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": version.namespace}],
    )


def config_map(version: VersionSpec) -> Manifest:
    """How it reaches the API server, said in full: what it would find at fixed paths is then visible."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "router"}}],
        "clusters": [
            {
                "name": "here",
                "cluster": {
                    "server": "https://kubernetes.default.svc",
                    "certificate-authority": f"{_ACCOUNT}/ca.crt",
                    # of the names in the API server's certificate the one that is not an address
                    "tls-server-name": "kubernetes",
                },
            }
        ],
        "users": [{"name": "router", "user": {"tokenFile": f"{_ACCOUNT}/token"}}],
    }
    return _object(version, "v1", "ConfigMap", data={KUBECONFIG: yaml.safe_dump(kubeconfig, sort_keys=False)})


def network_policy(version: VersionSpec) -> Manifest:
    """In: the gateway, and whoever may scrape. Out: names, the API server, the version's own pods."""
    scrapers = [namespace(version.monitoring_namespace), OWN_PROMETHEUS]
    engines = pods(naming.selector("engine", version.name))
    return _object(
        version,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec=policy_spec(
            router_selector(version),
            ingress=[
                {"from": [pods(version.gateway_labels)], "ports": tcp("http")},
                {"from": scrapers, "ports": tcp("metrics")},
            ],
            egress=[NAMES, API_SERVER, {"to": [engines], "ports": tcp("http")}],
        ),
    )


def service(version: VersionSpec) -> Manifest:
    """Where the gateway asks instead of the version's own Service."""
    port = {"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}
    return _object(
        version,
        "v1",
        "Service",
        spec={"type": "ClusterIP", "selector": router_selector(version), "ports": [port]},
    )


def disruption_budget(version: VersionSpec) -> Manifest:
    """One at a time may be drained; a single one too, or its node could never be."""
    return _object(
        version,
        "policy/v1",
        "PodDisruptionBudget",
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": router_selector(version)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )


def deployment(version: VersionSpec, spec: RouterSpec) -> Manifest:
    """Replicas that know nothing of each other; a pod is added before one is taken away."""
    made = _object(
        version,
        "apps/v1",
        "Deployment",
        spec={
            "replicas": spec.replicas,
            "selector": {"matchLabels": router_selector(version)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": STARTUP_SECONDS + _NODE_SECONDS,
            "revisionHistoryLimit": 3,
            "template": {
                "metadata": {
                    "labels": _labels(version),
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/path": "/metrics",
                        "prometheus.io/port": str(METRICS_PORT),
                    },
                },
                "spec": router_pod(version, spec),
            },
        },
    )
    seconds = spec.replicas * STARTUP_SECONDS + _NODE_SECONDS + 60
    made["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": str(seconds)}
    return made


def _labels(version: VersionSpec) -> dict[str, str]:
    return naming.labels(COMPONENT, router_name(version.name), model=version.model, version=version.version)


def _object(version: VersionSpec, api_version: str, kind: str, **fields: Any) -> Manifest:
    made = one_object(api_version, kind, router_name(version.name), version.namespace, **fields)
    made["metadata"]["labels"] = _labels(version)
    return made
