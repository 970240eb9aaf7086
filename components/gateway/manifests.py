"""The manifests of the gateway. Pure: deploy-time values come in as arguments and pass through untouched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from components import naming
from components.gateway import litellm
from components.gateway.model import GatewaySpec
from components.gateway.pod import STARTUP_SECONDS, pod_template
from components.network_rules import ANYWHERE, NAMES, OWN_PROMETHEUS, namespace, pods, policy_spec, tcp
from components.serving.router_pod import COMPONENT as ROUTER
from components.serving.scaling_manifests import scaler
from components.spec import Manifest

REVISIONS_KEPT = 3
"""Old ReplicaSets; the way back is the stack file's, since their ConfigMaps go when a rollout is done."""
_NODE_SECONDS = 600
"""Added to the start budget: a node may have to join and the image to be pulled first (our choice)."""
SCRIPTS = (
    "gw_auth.py",
    "gw_budget.py",
    "gw_log.py",
    "gw_metrics.py",
    "gw_privacy.py",
    "gw_requests.py",
    "gw_sticky.py",
)
"""Programs that run beside LiteLLM or in it, from the ConfigMap."""


def gateway_manifests(spec: GatewaySpec, *, environment_secret: Any) -> dict[str, Manifest]:
    """All manifests but the Secrets by a short fixed key, in the order they are to be made.

    `environment_secret` is the name of the Secret of `provider_secret`.
    """
    config = config_map(spec)
    return {
        "service-account": service_account(spec),
        "config": config,
        "network-policy": network_policy(spec),
        "service": service(spec),
        "disruption-budget": disruption_budget(spec),
        "deployment": deployment(spec, config["metadata"]["name"], environment_secret),
        "scaler": scaler(spec.name, spec.namespace, _labels(spec), spec.scaling),
    }


def provider_secret(spec: GatewaySpec, secret_env: Mapping[str, Any]) -> Manifest:
    """Master key, provider keys and Redis password by environment variable.

    Without a name of its own: a change makes a new object, whose name rolls the pods.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": spec.namespace, "labels": _labels(spec)},
        "type": "Opaque",
        "stringData": dict(secret_env),
    }


def tenant_keys_secret(spec: GatewaySpec, document: Any) -> Manifest:
    """The document of `keys_document`, under a fixed name: pods read changed keys without a rollout."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(spec, _keys_secret_name(spec)),
        "type": "Opaque",
        "stringData": {litellm.KEYS_FILE: document},
    }


def config_map(spec: GatewaySpec) -> Manifest:
    """config.yaml, the custom-auth hook and the metrics server, under a name that changes with them."""
    data = {
        "config.yaml": yaml.safe_dump(litellm.render(spec.model), sort_keys=False),
        **{name: Path(__file__).with_name(name).read_text("utf-8") for name in SCRIPTS},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(spec, f"{spec.name}-{naming.content_hash(data)}"),
        "data": data,
    }


def deployment(spec: GatewaySpec, config_name: str, environment_secret: Any) -> Manifest:
    """The Deployment, without `replicas`: the autoscaler owns the count.

    A pod is added before one is taken away, and the one taken away finishes its streams beside the others.
    """
    one_pod_seconds = STARTUP_SECONDS + _NODE_SECONDS
    metadata = _metadata(spec, spec.name)
    # Pods are rolled one by one; a draining pod holds up nothing.
    timeout = {"pulumi.com/timeoutSeconds": str(spec.scaling.min * STARTUP_SECONDS + _NODE_SECONDS + 60)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata, "annotations": timeout},
        "spec": {
            "selector": {"matchLabels": naming.selector("gateway", spec.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": one_pod_seconds,
            "revisionHistoryLimit": REVISIONS_KEPT,
            "template": pod_template(
                spec, metadata["labels"], config_name, _keys_secret_name(spec), environment_secret
            ),
        },
    }


def service(spec: GatewaySpec) -> Manifest:
    """The gateway's address in the cluster; metrics are scraped from the pods, not through it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(spec, spec.name),
        "spec": {
            "type": "ClusterIP",
            "selector": naming.selector("gateway", spec.name),
            "ports": [{"name": "http", "port": spec.service_port, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def disruption_budget(spec: GatewaySpec) -> Manifest:
    """One pod at a time may be drained; a single one too, or its node could never be."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(spec, spec.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": naming.selector("gateway", spec.name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service_account(spec: GatewaySpec) -> Manifest:
    """An identity without rights: the gateway asks nothing of Kubernetes or of a cloud."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(spec, spec.name),
        "automountServiceAccountToken": False,
    }


def network_policy(spec: GatewaySpec) -> Manifest:
    """In: anyone to the API, which asks for keys; monitoring alone to the metrics, which do not.

    Out: names, the engines, and the ports that providers and Redis listen on. A load balancer calls from
    addresses of the network, not from pods, so the API cannot be held to callers by label.
    """
    engines = [pods({"app.kubernetes.io/name": name}) for name in ("engine", ROUTER)]
    egress = [NAMES, {"to": engines, "ports": tcp("http")}]
    redis = spec.model.redis
    if redis and redis.in_cluster:
        egress.append({"to": [pods(naming.selector(redis.host, redis.host))], "ports": tcp(redis.port)})
    if ports := _outside_ports(spec):
        egress.append({"to": [ANYWHERE], "ports": tcp(*ports)})
    scrapers = [namespace(spec.monitoring_namespace), OWN_PROMETHEUS]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(spec, spec.name),
        "spec": policy_spec(
            naming.selector("gateway", spec.name),
            ingress=[{"ports": tcp("http")}, {"from": scrapers, "ports": tcp("metrics")}],
            egress=egress,
        ),
    }


def _outside_ports(spec: GatewaySpec) -> list[int]:
    """Ports of the providers, of a moderation service and of a Redis outside, sorted."""
    model = spec.model
    backends = [backend for route in model.routes for backend in route.backends]
    called = [backend.base_url or "https:" for backend in backends if backend.kind in ("openai", "anthropic")]
    called += [model.moderation.base_url] if model.moderation else []
    ports = {model.redis.port} if model.redis and not model.redis.in_cluster else set()
    for url in map(urlsplit, called):
        ports.add(url.port or (80 if url.scheme == "http" else 443))
    return sorted(ports)


def _keys_secret_name(spec: GatewaySpec) -> str:
    return f"{spec.name}-tenant-keys"


def _labels(spec: GatewaySpec) -> dict[str, str]:
    return naming.labels("gateway", spec.name)


def _metadata(spec: GatewaySpec, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": spec.namespace, "labels": _labels(spec)}
