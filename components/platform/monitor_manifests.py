"""What Prometheus scrapes of ours: PodMonitors of engines and gateway. Pure.

The exporter of GPU metrics brings its own ServiceMonitor (values.dcgm_exporter). Pods and not Services: the
gateway's metrics port is in no Service, and an engine's series have to say which pod they are of.
"""

from collections.abc import Sequence
from typing import Any

from components import naming
from components.engines import adapter
from components.gateway.model import GatewaySpec
from components.spec import Manifest, VersionSpec

INTERVAL = "15s"
"""Of scrapes; KEDA asks as often (components/serving/presets.yaml)."""
_POD_LABELS = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    naming.ENGINE_LABEL,
    naming.MODEL_LABEL,
    naming.VERSION_LABEL,
]
"""Copied onto every series, with _ for what Prometheus does not allow."""
_NODE = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}


def pod_monitors(versions: Sequence[VersionSpec], gateway: GatewaySpec) -> dict[str, Manifest]:
    """A PodMonitor per kind of engine that has metrics, and one of the gateway, by a short fixed key."""
    made: dict[str, Manifest] = {}
    for spec in sorted(versions, key=lambda version: version.engine.engine):
        engine = spec.engine.engine
        path = adapter(engine).container(spec.engine).metrics_path
        if path is not None:
            wanted = {"app.kubernetes.io/name": "engine", naming.ENGINE_LABEL: engine}
            made[f"monitor-{engine}"] = _pod_monitor(f"engine-{engine}", spec.namespace, wanted, "http", path)
    selected = naming.selector("gateway", gateway.name)
    monitor = _pod_monitor(gateway.name, gateway.namespace, selected, "metrics", "/metrics")
    return {**made, "monitor-gateway": monitor}


def _pod_monitor(name: str, namespace: str, pods: dict[str, str], port: str, path: str) -> Manifest:
    endpoint: dict[str, Any] = {"port": port, "path": path, "interval": INTERVAL, "relabelings": [_NODE]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": name, "namespace": namespace, "labels": naming.labels("monitor", name)},
        "spec": {
            "selector": {"matchLabels": pods},
            "podTargetLabels": _POD_LABELS,
            "podMetricsEndpoints": [endpoint],
        },
    }
