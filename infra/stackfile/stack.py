"""The whole of `llmserve:settings`: cluster, pools, models, tenants, gateway, observability."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import PositiveInt, Settings
from infra.stackfile.cluster import ClusterSettings
from infra.stackfile.gateway import GatewaySettings, TenantSettings
from infra.stackfile.models import ModelSettings
from infra.stackfile.platform import PlatformSettings
from infra.stackfile.pools import PoolSettings
from infra.stackfile.secrets import SecretsSettings
from planner.checklist.waivers import Waiver
from planner.rules import Environment


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
    """The cluster's Prometheus, where KEDA asks (`scaling: {via: keda}`); None = the chart's or our own."""
    prometheus: PrometheusSettings | None = None
    """One of our own in the stack's namespace; None = the cluster has one, or nobody watches."""


class StackSettings(Settings):
    """`llmserve:settings`: what one environment serves, on what, to whom."""

    preset: Literal["current", "textbook"] = "current"
    """Numbers taken where a setting is not given: current best practice, or the source documents'."""
    environment: Environment = "development"
    """What is at stake: some warnings of a development stack are errors of a production one."""
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
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    """How they ask."""
    secrets: SecretsSettings = Field(default_factory=SecretsSettings)
    """Where keys and tokens come from."""
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings)
    """How it is watched."""
    platform: PlatformSettings = Field(default_factory=PlatformSettings)
    """What is installed below the models."""
    waivers: tuple[Waiver, ...] = ()
    """Rules that knowingly need not be kept for a while (docs/rules.md)."""
