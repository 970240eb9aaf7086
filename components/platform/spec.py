"""What the platform is made of. Pure; from the stack file by `infra.resolve_charts`."""

from typing import Literal

from components.spec import Spec

Autoscaler = Literal["cluster-autoscaler", "karpenter"]


class PrometheusStackSpec(Spec):
    """kube-prometheus-stack: Prometheus, Alertmanager, Grafana, node and object metrics."""

    retention_days: int
    storage_gib: int
    """Size of each Prometheus' volume."""
    storage_class: str | None
    """None = the cluster's default."""
    replicas: int
    """Of Prometheus and of Alertmanager."""
    cpu_millicores: int
    memory_mib: int
    grafana: bool
    own_alertmanager_config: bool
    """Whether Alertmanager's configuration is a Secret of ours; else alerts reach nobody."""


class PlatformSpec(Spec):
    """Which charts are installed, and how."""

    models_namespace: str
    monitoring_namespace: str
    replicas: int
    """Of every controller that can have more than one."""
    device_plugin: bool
    pools_with_own_plugin: tuple[str, ...]
    """Pools whose nodes bring a device plugin (Bottlerocket): two on a node would count every GPU twice."""
    dcgm_exporter: bool
    prometheus_stack: PrometheusStackSpec | None
    monitors: bool
    """Whether the cluster knows ServiceMonitors and PodMonitors."""
    load_balancer_controller: bool
    keda: bool
    metrics_server: bool
    autoscaler: Autoscaler | None
    external_secrets: bool
    storage_class: bool
    """Whether the cluster gets a default StorageClass for encrypted gp3 volumes."""


class AlertSpec(Spec):
    """When alerts fire."""

    error_percent: float
    """Share of failed tries of a version that warns after 10 minutes."""
    critical_error_percent: float
    queue_requests: int
    """Waiting requests of a version."""
    ttft_p95_seconds: float
    """For models without objectives of their own."""
    availability_percent: float
    """Share of tries that succeed, from which the error budget follows."""
    min_requests: int
    """Fewest tries in a window that say something about it."""
    budget_percent: float
    """Share of a provider's daily budget that warns."""
    idle_gpu_hours: int
    """How long a GPU may be held without doing anything."""
