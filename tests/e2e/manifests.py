"""Manifests of the node's tests."""

from pathlib import Path
from typing import Any

IMAGE = "llmserve.dev/test:1"
PORT = 8000
APP = Path(__file__).with_name("app.py").read_text("utf-8")


def app_config(**files: str) -> dict[str, Any]:
    """ConfigMap with the server and more files."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "app"},
        "data": {"app.py": APP, **files},
    }


def service(name: str, port: int = 80) -> dict[str, Any]:
    """Service for the pods labelled `app: name`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }


def container(prestop_seconds: int = 0, **more: Any) -> dict[str, Any]:
    """A container that runs the server."""
    sleep = {"lifecycle": {"preStop": {"sleep": {"seconds": prestop_seconds}}}} if prestop_seconds else {}
    return {
        "name": "app",
        "image": IMAGE,
        "args": ["/app/app.py", "--host", "0.0.0.0", "--port", str(PORT)],
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [{"name": "CONFIG_FOLDER", "value": "/app"}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m"}},
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        **sleep,
        **more,
    }


def pod_spec(*containers: dict[str, Any], grace_seconds: int = 30, **more: Any) -> dict[str, Any]:
    """Spec of a pod with the server's volume."""
    volumes = [{"name": "app", "configMap": {"name": "app"}}, *more.pop("volumes", [])]
    return {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": grace_seconds,
        "containers": list(containers),
        "volumes": volumes,
        **more,
    }


def pod(name: str, spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """A pod that no controller looks after."""
    metadata = {"name": name, "labels": {"app": name}, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def deployment(name: str, replicas: int, spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """A Deployment that never has fewer pods than asked for."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": spec},
        },
    }
