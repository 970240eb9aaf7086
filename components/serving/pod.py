"""The pod of a version: containers, probes, volumes, placement. Pure."""

import math
import posixpath
from typing import Any

from components import naming, quantity
from components.engines import adapter
from components.engines.base import CACHE_PATH, TEMP_PATH, EngineContainer, Probe
from components.spec import VersionSpec

PROBE_PERIOD_SECONDS = 10
"""Of startup and liveness (KServe, peers.md §4)."""
LIVENESS_FAILURES = 10
"""Slow to kill, since a restart loads the model again (KServe)."""
READINESS_PERIOD_SECONDS = 1
"""Quick to leave the Service (KServe)."""
READINESS_FAILURES = 2


def pod_template(spec: VersionSpec, labels: dict[str, str]) -> dict[str, Any]:
    """Pod template of a version's Deployment; `labels` are the Deployment's."""
    container = adapter(spec.engine.engine).container(spec.engine)
    return {
        "metadata": {"labels": labels, **_scrape(container)},
        "spec": {
            "serviceAccountName": spec.name,
            "automountServiceAccountToken": False,
            # A Service named vllm would inject VLLM_PORT=tcp://..., which vLLM cannot read.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": spec.grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": container.user_id,
                "runAsGroup": container.group_id,
                "fsGroup": container.group_id,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **_placement(spec),
            **({"initContainers": [_init(spec, container)]} if container.init_command else {}),
            "containers": [_engine(spec, container)],
            "volumes": _volumes(spec, container),
        },
    }


def config_name(spec: VersionSpec) -> str | None:
    """Name of the ConfigMap with the engine's config files, which changes with them; None without files."""
    files = adapter(spec.engine.engine).container(spec.engine).config_files
    return f"{spec.name}-{naming.content_hash(files)}" if files else None


def _scrape(container: EngineContainer) -> dict[str, Any]:
    if container.metrics_path is None:
        return {}
    return {
        "annotations": {
            "prometheus.io/scrape": "true",
            "prometheus.io/path": container.metrics_path,
            "prometheus.io/port": str(container.port),
        }
    }


def _placement(spec: VersionSpec) -> dict[str, Any]:
    """Held to the pool's nodes, past the GPU taint, spread over zones and hosts as far as that goes."""
    gpu = {"key": naming.GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"}
    return {
        "nodeSelector": {naming.POOL_LABEL: spec.pool},
        **({"tolerations": [gpu]} if spec.resources.gpus else {}),
        "topologySpreadConstraints": [
            {
                "topologyKey": key,
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": naming.selector("engine", spec.name)},
                "matchLabelKeys": ["pod-template-hash"],
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
    }


def _engine(spec: VersionSpec, container: EngineContainer) -> dict[str, Any]:
    # Without a drain of its own the engine gets its SIGTERM only when the time to drain is over.
    leave_seconds = spec.prestop_seconds + (0 if container.drains else spec.engine.drain_seconds)
    prestop = {"preStop": {"sleep": {"seconds": leave_seconds}}}
    return {
        "name": "engine",
        "image": container.image,
        **({"command": list(container.command)} if container.command else {}),
        **({"args": list(container.args)} if container.args else {}),
        "env": _env(spec, container),
        "ports": [{"name": "http", "containerPort": container.port, "protocol": "TCP"}],
        "resources": _resources(spec, gpus=spec.resources.gpus),
        "startupProbe": {
            **_handler(container.startup),
            "periodSeconds": PROBE_PERIOD_SECONDS,
            "failureThreshold": math.ceil(spec.startup_seconds / PROBE_PERIOD_SECONDS),
        },
        "readinessProbe": {
            **_handler(container.readiness),
            "periodSeconds": READINESS_PERIOD_SECONDS,
            "failureThreshold": READINESS_FAILURES,
        },
        "livenessProbe": {
            **_handler(container.liveness),
            "periodSeconds": PROBE_PERIOD_SECONDS,
            "failureThreshold": LIVENESS_FAILURES,
        },
        **({"lifecycle": prestop} if leave_seconds else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security(spec, container),
        "volumeMounts": _mounts(spec, container),
    }


def _init(spec: VersionSpec, container: EngineContainer) -> dict[str, Any]:
    """The weights' container: everything as the engine's, but for GPUs and the shared memory they need."""
    return {
        "name": "weights",
        "image": container.image,
        "command": list(container.init_command or ()),
        "env": _env(spec, container),
        "resources": _resources(spec, gpus=0),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security(spec, container),
        "volumeMounts": _mounts(spec, container),
    }


def _env(spec: VersionSpec, container: EngineContainer) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = [{"name": k, "value": v} for k, v in sorted(container.env.items())]
    if spec.model_token and container.token_env:
        key = {"name": spec.model_token.name, "key": spec.model_token.key}
        env.append({"name": container.token_env, "valueFrom": {"secretKeyRef": key}})
    return env


def _resources(spec: VersionSpec, *, gpus: int) -> dict[str, Any]:
    """No CPU limit: throttling slows tokens down, and the request already reserves the share."""
    gpu = {naming.GPU_RESOURCE: str(gpus)} if gpus else {}
    return {
        "requests": {
            "cpu": quantity.cpu(spec.resources.cpu_millicores),
            "memory": quantity.mebibytes(spec.resources.memory_mib),
            **gpu,
        },
        "limits": {"memory": quantity.mebibytes(spec.resources.memory_limit_mib), **gpu},
    }


def _handler(probe: Probe) -> dict[str, Any]:
    action: dict[str, Any] = (
        {"exec": {"command": list(probe.command)}}
        if probe.command is not None
        else {"httpGet": {"path": probe.path, "port": "http"}}
    )
    return {**action, "timeoutSeconds": probe.timeout_seconds}


def _security(spec: VersionSpec, container: EngineContainer) -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        # With a GPU the nvidia-cdi-hook writes into the root file system (KServe, peers.md §4).
        "readOnlyRootFilesystem": container.read_only_root and spec.resources.gpus == 0,
    }


def _mounts(spec: VersionSpec, container: EngineContainer) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "cache", "mountPath": CACHE_PATH},
        {"name": "tmp", "mountPath": TEMP_PATH},
    ]
    if _has_shm(spec, container):
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - where NCCL looks for it
    if container.config_files:
        folder = posixpath.dirname(next(iter(container.config_files)))
        mounts.append({"name": "config", "mountPath": folder, "readOnly": True})
    return mounts


def _volumes(spec: VersionSpec, container: EngineContainer) -> list[dict[str, Any]]:
    volumes = [{"name": "cache", **_cache(spec)}, {"name": "tmp", "emptyDir": {}}]
    if _has_shm(spec, container):
        volumes.append(
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": quantity.gibibytes(spec.shm_gib)}}
        )
    if container.config_files:
        volumes.append({"name": "config", "configMap": {"name": config_name(spec)}})
    return volumes


def _has_shm(spec: VersionSpec, container: EngineContainer) -> bool:
    return container.needs_shm and spec.shm_gib > 0


def _cache(spec: VersionSpec) -> dict[str, Any]:
    match spec.cache.kind:
        case "empty_dir":
            return {"emptyDir": {"sizeLimit": quantity.gibibytes(spec.cache.size_gib)}}
        case "host_path":
            return {"hostPath": {"path": spec.cache.host_path, "type": "DirectoryOrCreate"}}
        case "pvc":
            return {"persistentVolumeClaim": {"claimName": spec.name}}
