"""The whole of `llmserve:settings`: cluster, pools, models, tenants, gateway, observability."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import PositiveInt, Settings
from infra.stackfile.gateway import GatewaySettings, TenantSettings
from infra.stackfile.models import ModelSettings
from infra.stackfile.platform import PlatformSettings


class ClusterSettings(Settings):
    """Where the program runs."""

    kind: Literal["existing"] = "existing"
    """`existing`: any cluster you own (EKS, kind, k3s, the laptop's), by its kubeconfig context."""
    context: str
    """Context of the kubeconfig ($KUBECONFIG or ~/.kube/config)."""
    storage_class: str | None = None
    """StorageClass of `cache: {kind: pvc}`; None = the cluster's default."""


class PoolSettings(Settings):
    """Nodes of one kind, labelled `llmserve.dev/pool: <name>`."""

    instance_type: str
    """EC2 instance type of the catalogue; gives GPUs, CPU and memory of a node."""
    min: Annotated[int, Field(ge=0)] = 0
    """Fewest nodes."""
    max: PositiveInt
    """Most nodes. The laptop, which has no autoscaler, makes this many."""


class PrometheusSettings(Settings):
    """A small Prometheus of our own, for clusters that have none."""

    image: str | None = None
    """Image with tag or digest; None = the one llmserve was tested with."""
    scrape_interval_seconds: PositiveInt = 15
    """How often pods are asked."""
    retention_hours: PositiveInt = 24
    """How long series are kept."""
    storage_gib: PositiveInt | None = None
    """Size of its volume, GiB; None = series go with the pod."""
    cpu: Annotated[float, Field(gt=0)] = 0.25
    """CPU cores it asks for."""
    memory_gib: Annotated[float, Field(gt=0)] = 1.0
    """Memory."""


class ObservabilitySettings(Settings):
    """Who watches."""

    monitoring_namespace: str = "monitoring"
    """Namespace of the cluster's Prometheus; none but it and our own may scrape."""
    prometheus_url: str | None = None
    """The cluster's Prometheus, where KEDA asks (`scaling: {via: keda}`)."""
    prometheus: PrometheusSettings | None = None
    """One of our own in the stack's namespace; None = the cluster has one, or nobody watches."""


class StackSettings(Settings):
    """`llmserve:settings`: what one environment serves, on what, to whom."""

    preset: Literal["current", "textbook"] = "current"
    """Numbers taken where a setting is not given: current best practice, or the source documents'."""
    namespace: str = "llmserve"
    """Kubernetes namespace of everything."""
    cluster: ClusterSettings
    """Where it runs."""
    pools: dict[str, PoolSettings]
    """Nodes by pool name."""
    models: dict[str, ModelSettings]
    """What clients may ask for, by public name."""
    tenants: dict[str, TenantSettings]
    """Who may ask, by name."""
    gateway: GatewaySettings = GatewaySettings()
    """How they ask."""
    observability: ObservabilitySettings = ObservabilitySettings()
    """How it is watched."""
    platform: PlatformSettings = PlatformSettings()
    """What is installed below the models."""
