"""The whole of `llmserve:settings`: cluster, pools, models, tenants, gateway, observability."""

from typing import Literal

from infra.stackfile.base import Settings
from infra.stackfile.cluster import ClusterSettings
from infra.stackfile.gateway import GatewaySettings, TenantSettings
from infra.stackfile.models import ModelSettings
from infra.stackfile.platform import PlatformSettings
from infra.stackfile.pools import PoolSettings
from infra.stackfile.secrets import SecretsSettings


class ObservabilitySettings(Settings):
    """Who watches."""

    monitoring_namespace: str = "monitoring"
    """Namespace of Prometheus, the only one that may scrape."""
    prometheus_url: str | None = None
    """Where KEDA asks (`scaling: {via: keda}`); None = the chart's, where it is installed."""


class StackSettings(Settings):
    """`llmserve:settings`: what one environment serves, on what, to whom."""

    preset: Literal["current", "textbook"] = "current"
    """Numbers taken where a setting is not given: current best practice, or the source documents'."""
    environment: Literal["development", "production"] = "development"
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
    gateway: GatewaySettings = GatewaySettings()
    """How they ask."""
    secrets: SecretsSettings = SecretsSettings()
    """Where keys and tokens come from."""
    observability: ObservabilitySettings = ObservabilitySettings()
    """How it is watched."""
    platform: PlatformSettings = PlatformSettings()
    """What is installed below the models."""
