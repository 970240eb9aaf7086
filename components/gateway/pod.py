"""The gateway's pod: container, probes, volumes, placement. Pure."""

from typing import Any

from components import naming
from components.gateway import litellm
from components.gateway.model import METRICS_RESOURCES, GatewaySpec
from components.pod_parts import container_security, pod_security, probe, requests_and_limits
from components.spec import Manifest

USER_ID = 65534
"""`nobody`, the user of LiteLLM's non-root image."""
STARTUP_SECONDS = 120
"""Budget from container start to ready (gateway study §2: 10 s with a core to itself; allow 60 at least)."""
_STARTUP_PERIOD_SECONDS = 5
_PROBE_TIMEOUT_SECONDS = 5
"""Requests and garbage collection hold up LiteLLM's one loop for up to a second (gateway study §2)."""


def pod_template(
    spec: GatewaySpec, labels: dict[str, str], config_name: str, keys_secret: str, environment_secret: Any
) -> dict[str, Any]:
    """Pod template of the gateway's Deployment: its labels, then names of objects that it mounts or reads."""
    return {
        "metadata": {
            "labels": labels,
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/path": "/metrics",
                "prometheus.io/port": str(litellm.METRICS_PORT),
            },
        },
        "spec": {
            "serviceAccountName": spec.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": spec.grace_seconds,
            "securityContext": pod_security(USER_ID),
            **_placement(spec),
            "initContainers": [_metrics(spec)],
            "containers": [_container(spec, environment_secret)],
            "volumes": [
                {"name": "config", "configMap": {"name": config_name}},
                {"name": "tenant-keys", "secret": {"secretName": keys_secret, "defaultMode": 0o440}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
                {"name": "metrics", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }


def _container(spec: GatewaySpec, environment_secret: Any) -> Manifest:
    prestop = {"preStop": {"sleep": {"seconds": spec.prestop_seconds}}}
    return {
        "name": "gateway",
        "image": spec.image,
        "args": litellm.arguments(spec),
        "env": [{"name": name, "value": value} for name, value in sorted(litellm.environment(spec).items())],
        "envFrom": [{"secretRef": {"name": environment_secret}}],
        "ports": [{"name": "http", "containerPort": litellm.HTTP_PORT, "protocol": "TCP"}],
        "resources": requests_and_limits(spec.resources),
        "startupProbe": _probe("/health/readiness", _STARTUP_PERIOD_SECONDS, STARTUP_SECONDS),
        "readinessProbe": _probe("/health/readiness", period_seconds=5, for_seconds=15),
        "livenessProbe": _probe("/health/liveliness", period_seconds=10, for_seconds=60),
        **({"lifecycle": prestop} if spec.prestop_seconds else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": litellm.CONFIG_FOLDER, "readOnly": True},
            # a folder, not a subPath: only so do pods see changed keys without a restart
            {"name": "tenant-keys", "mountPath": litellm.KEYS_FOLDER, "readOnly": True},
            {"name": "scratch", "mountPath": litellm.SCRATCH_FOLDER},
            {"name": "metrics", "mountPath": litellm.METRICS_FOLDER},
        ],
    }


def _metrics(spec: GatewaySpec) -> Manifest:
    """A sidecar that serves the metrics, also while the gateway drains: it ends after it."""
    return {
        "name": "metrics",
        "image": spec.image,
        "restartPolicy": "Always",
        "command": ["python", f"{litellm.CONFIG_FOLDER}/gw_metrics.py", "0.0.0.0", str(litellm.METRICS_PORT)],  # noqa: S104
        "env": [{"name": "PROMETHEUS_MULTIPROC_DIR", "value": litellm.METRICS_FOLDER}],
        "ports": [{"name": "metrics", "containerPort": litellm.METRICS_PORT, "protocol": "TCP"}],
        "resources": requests_and_limits(METRICS_RESOURCES),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": litellm.CONFIG_FOLDER, "readOnly": True},
            {"name": "metrics", "mountPath": litellm.METRICS_FOLDER},
        ],
    }


def _probe(path: str, period_seconds: int, for_seconds: int) -> dict[str, Any]:
    handler = {"httpGet": {"path": path, "port": "http"}}
    return probe(
        handler,
        period_seconds=period_seconds,
        for_seconds=for_seconds,
        timeout_seconds=_PROBE_TIMEOUT_SECONDS,
    )


def _placement(spec: GatewaySpec) -> dict[str, Any]:
    """Spread over zones and hosts as far as that goes; on a named pool even past its GPU taint."""
    gpu = {"key": naming.GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"}
    held = {"nodeSelector": {naming.POOL_LABEL: spec.pool}, "tolerations": [gpu]} if spec.pool else {}
    return {
        **held,
        "topologySpreadConstraints": [
            {
                "topologyKey": key,
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": naming.selector("gateway", spec.name)},
                "matchLabelKeys": ["pod-template-hash"],
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
    }
