"""The gateway's pod: container, probes, volumes, placement. Pure."""

from typing import Any

from components import naming
from components.gateway import litellm
from components.gateway.model import GatewaySpec
from components.spec import Manifest

USER_ID = 65534
"""`nobody`, the user of LiteLLM's non-root image; a number, because the kubelet cannot check a name."""
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
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **_placement(spec),
            "containers": [_container(spec, environment_secret)],
            "volumes": [
                {"name": "config", "configMap": {"name": config_name}},
                {"name": "tenant-keys", "secret": {"secretName": keys_secret, "defaultMode": 0o440}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
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
        "ports": [
            {"name": "http", "containerPort": litellm.HTTP_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": litellm.METRICS_PORT, "protocol": "TCP"},
        ],
        # no CPU limit: throttling stalls every stream of the pod
        "resources": {
            "requests": {
                "cpu": f"{spec.resources.cpu_millicores}m",
                "memory": f"{spec.resources.memory_mib}Mi",
            },
            "limits": {"memory": f"{spec.resources.memory_limit_mib}Mi"},
        },
        "startupProbe": _probe("/health/readiness", _STARTUP_PERIOD_SECONDS, STARTUP_SECONDS),
        "readinessProbe": _probe("/health/readiness", period_seconds=5, for_seconds=15),
        "livenessProbe": _probe("/health/liveliness", period_seconds=10, for_seconds=60),
        **({"lifecycle": prestop} if spec.prestop_seconds else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "config", "mountPath": litellm.CONFIG_FOLDER, "readOnly": True},
            # a folder, not a subPath: only so do pods see changed keys without a restart
            {"name": "tenant-keys", "mountPath": litellm.KEYS_FOLDER, "readOnly": True},
            {"name": "scratch", "mountPath": litellm.SCRATCH_FOLDER},
        ],
    }


def _probe(path: str, period_seconds: int, for_seconds: int) -> dict[str, Any]:
    """A probe that gives up after failing `for_seconds`."""
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": _PROBE_TIMEOUT_SECONDS,
        "failureThreshold": for_seconds // period_seconds,
    }


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
