"""vLLM's router before the replicas of one version: who gets the next request. Pure.

Flags are those of vllm-router 0.1.17, run on loopback (docs/gateway.md, Balancing).
"""

from typing import Any

import yaml

from components import naming
from components.gateway.gw_requests import MAX_BODY_BYTES
from components.network_rules import (
    API_SERVER,
    NAMES,
    OWN_PROMETHEUS,
    namespace,
    pods,
    policy_spec,
    tcp,
)
from components.pod_parts import (
    container_security,
    one_object,
    pod_security,
    probe,
    requests_and_limits,
)
from components.spec import Manifest, RouterSpec, VersionSpec

COMPONENT = "router"
"""Label `app.kubernetes.io/name` of all routers."""
HTTP_PORT = 8080
METRICS_PORT = 29000
SERVICE_PORT = 80
ENGINE_PORT = 8000
"""Where vLLM listens (`components.engines.vllm`): the router asks pods, not the Service."""
KUBECONFIG = "kubeconfig"
_CONFIG_FOLDER = "/etc/vllm-router"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_USER_ID = 65534
"""nobody: the image's own user is root, and the program needs nothing of it (Dockerfile.router, read)."""
_STARTUP_SECONDS = 60
"""It starts in under a second here; a slow node may take longer (our choice)."""
_NODE_SECONDS = 600
_TRIES, _FAILURES_BEFORE_REST, _REST_SECONDS = 4, 2, 10
"""A replica that refuses twice is left alone, so that a third try of the same request asks another:
`cache_aware` would ask the same again. The gateway's own tries come on top."""
_HEALTH_SECONDS, _HEALTH_FAILURES = 5, 2
"""How fast a replica that dies without a word is left alone; one that is deleted is left at once."""


def router_name(version: str) -> str:
    """Kubernetes name of a version's router, and the host name the gateway asks."""
    return f"{version}-router"


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
            "progressDeadlineSeconds": _STARTUP_SECONDS + _NODE_SECONDS,
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
                "spec": _pod(version, spec),
            },
        },
    )
    seconds = spec.replicas * _STARTUP_SECONDS + _NODE_SECONDS + 60
    made["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": str(seconds)}
    return made


def arguments(version: VersionSpec, spec: RouterSpec) -> list[str]:
    """Arguments of the program."""
    labels = [f"{key}={value}" for key, value in naming.selector("engine", version.name).items()]
    return [
        *("--host", "0.0.0.0", "--port", str(HTTP_PORT)),  # noqa: S104 - a pod's own network
        *("--prometheus-host", "0.0.0.0", "--prometheus-port", str(METRICS_PORT)),  # noqa: S104
        *("--policy", spec.policy),
        *("--service-discovery", "--selector", *labels),
        *("--service-discovery-namespace", version.namespace),
        *("--service-discovery-port", str(ENGINE_PORT)),
        *("--worker-startup-check-interval", "1"),
        *("--health-check-interval-secs", str(_HEALTH_SECONDS)),
        *("--health-failure-threshold", str(_HEALTH_FAILURES)),
        *("--retry-max-retries", str(_TRIES)),
        *("--cb-failure-threshold", str(_FAILURES_BEFORE_REST)),
        *("--cb-timeout-duration-secs", str(_REST_SECONDS)),
        *("--request-timeout-secs", str(spec.longest_stream_seconds)),
        *("--max-payload-size", str(MAX_BODY_BYTES)),
    ]


def _pod(version: VersionSpec, spec: RouterSpec) -> dict[str, Any]:
    return {
        "serviceAccountName": router_name(version.name),
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.grace_seconds,
        "securityContext": pod_security(_USER_ID),
        "topologySpreadConstraints": [
            {
                "topologyKey": "topology.kubernetes.io/zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": router_selector(version)},
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "containers": [
            {
                "name": COMPONENT,
                "image": spec.image,
                "command": ["vllm-router"],
                "args": arguments(version, spec),
                "env": [
                    {"name": "KUBECONFIG", "value": f"{_CONFIG_FOLDER}/{KUBECONFIG}"},
                    # at `info` it tells of each choice; `--log-level` does not change that
                    {"name": "RUST_LOG", "value": "warn"},
                ],
                "ports": [
                    {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
                ],
                "resources": requests_and_limits(spec.resources),
                "startupProbe": _probe("/liveness", _STARTUP_SECONDS),
                # 503 until it has found a healthy replica
                "readinessProbe": _probe("/readiness", 15),
                "livenessProbe": _probe("/liveness", 60),
                "lifecycle": {"preStop": {"sleep": {"seconds": spec.prestop_seconds}}},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": container_security(),
                "volumeMounts": [{"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": router_name(version.name)}}],
    }


def _probe(path: str, for_seconds: int) -> dict[str, Any]:
    handler = {"httpGet": {"path": path, "port": "http"}}
    return probe(handler, period_seconds=5, for_seconds=for_seconds, timeout_seconds=3)


def router_selector(version: VersionSpec) -> dict[str, str]:
    """Labels by which the version's router is found."""
    return naming.selector(COMPONENT, router_name(version.name))


def _labels(version: VersionSpec) -> dict[str, str]:
    return naming.labels(COMPONENT, router_name(version.name), model=version.model, version=version.version)


def _object(version: VersionSpec, api_version: str, kind: str, **fields: Any) -> Manifest:
    made = one_object(api_version, kind, router_name(version.name), version.namespace, **fields)
    made["metadata"]["labels"] = _labels(version)
    return made
