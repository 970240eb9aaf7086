"""What is installed below the models: charts, monitors, alerts."""

from typing import Annotated

from pydantic import Field

from infra.stackfile.base import PositiveInt, Settings

AboveZero = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=100)]


class PrometheusStackSettings(Settings):
    """kube-prometheus-stack: Prometheus, Alertmanager, Grafana, node and object metrics."""

    enabled: bool | None = None
    """Install it; None = on eks."""
    retention_days: PositiveInt = 15
    """How long Prometheus keeps series, days; less where its volume fills up first."""
    storage_gib: PositiveInt = 100
    """Size of each Prometheus' volume."""
    storage_class: str | None = None
    """StorageClass of its volumes; None = on eks encrypted gp3, elsewhere the cluster's default."""
    replicas: PositiveInt = 1
    """Of Prometheus and of Alertmanager; two see the same and survive a node."""
    cpu: AboveZero = 1.0
    """CPU cores of a Prometheus."""
    memory_gib: AboveZero = 4.0
    """Memory of a Prometheus."""
    grafana: bool = True
    """Install Grafana."""
    grafana_password: str = "grafana_admin_password"  # noqa: S105 - the name of a config key
    """Name of the secret config key with the password of Grafana's administrator."""
    alertmanager_config: str | None = None
    """Name of the secret config key with alertmanager.yaml: whom alerts reach. None = nobody."""


class AlertSettings(Settings):
    """When alerts fire."""

    enabled: bool | None = None
    """Make them; None = with the chart kube-prometheus-stack."""
    error_percent: Share = 5.0
    """Failed tries of a version that warn after 10 minutes."""
    critical_error_percent: Share = 20.0
    """Failed tries of a version that are critical after 5 minutes."""
    queue_requests: PositiveInt = 50
    """Waiting requests of a version that warn after 3 minutes."""
    ttft_p95_seconds: AboveZero = 2.0
    """First token of models without objectives, seconds in 95 % of requests."""
    availability_percent: Share = 99.5
    """Tries that succeed; how fast the rest of them is used up is watched."""
    min_requests: PositiveInt = 20
    """Fewest tries in a window that say something about it."""
    budget_percent: Annotated[float, Field(gt=0, le=100)] = 80.0
    """Spent share of a provider's daily budget that warns."""
    idle_gpu_hours: PositiveInt = 2
    """How long a pod may hold a GPU that does nothing."""


class AwsClusterSettings(Settings):
    """What AWS calls an existing EKS cluster."""

    cluster_name: str
    """Name of the cluster."""
    region: str
    """Its region."""
    vpc_id: str
    """Its VPC."""


class PlatformSettings(Settings):
    """Third-party charts below the models. On a cluster you own none is installed unless asked for."""

    replicas: PositiveInt = 2
    """Of every controller that can have more than one."""
    device_plugin: bool | None = None
    """NVIDIA device plugin; None = on eks, for pools whose image brings none."""
    dcgm_exporter: bool | None = None
    """NVIDIA GPU metrics; None = on eks with GPU pools."""
    prometheus_stack: PrometheusStackSettings = Field(default_factory=PrometheusStackSettings)
    """Prometheus, Alertmanager and Grafana."""
    monitors: bool | None = None
    """PodMonitors of engines and gateway; None = with the chart kube-prometheus-stack."""
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    """Alerts on models, gateway and GPUs."""
    dashboard: bool | None = None
    """Grafana dashboard of the models; None = with the chart's Grafana."""
    load_balancer_controller: bool | None = None
    """AWS Load Balancer Controller; None = on eks with an `alb` ingress."""
    keda: bool | None = None
    """KEDA; None = on eks where a model scales `via: keda`."""
    metrics_server: bool | None = None
    """metrics-server; None = on eks where it is no add-on."""
    external_secrets: bool | None = None
    """External Secrets Operator; None = on eks where `secrets.source` is external-secrets."""
    aws_cluster: AwsClusterSettings | None = None
    """For charts that have to know it on an existing EKS cluster."""
