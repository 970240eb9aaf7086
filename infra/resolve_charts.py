"""From the stack file to what the platform is made of: charts, monitors, alerts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.gateway.model import GatewaySpec
from components.ingress_manifests import ALB
from components.platform import alerts
from components.platform.dashboard import dashboard_config_map
from components.platform.manifests import STORAGE_CLASS
from components.platform.monitor_manifests import pod_monitors
from components.platform.rule_manifests import prometheus_rule
from components.platform.spec import AlertSpec, Autoscaler, PlatformSpec, PrometheusStackSpec
from components.platform.values import PROMETHEUS_PORT, PROMETHEUS_SERVICE
from components.spec import Manifest, VersionSpec
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.eks import core_addons, images

METRICS_SERVER_ADDON = "metrics-server"
RULES = "llmserve"


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """What the platform has to know about the cluster below it."""

    provisioned: bool
    """Whether the program makes the cluster, so that nothing is there but what it installs."""
    autoscaler: Autoscaler | None = None
    addons: frozenset[str] = frozenset()
    """EKS add-ons by name."""
    own_plugin_pools: frozenset[str] = frozenset()
    """Pools whose nodes bring a device plugin."""


def cluster_facts(settings: StackSettings) -> ClusterFacts:
    """What the stack file says about its cluster."""
    cluster = settings.cluster
    if not isinstance(cluster, EksClusterSettings):
        return ClusterFacts(provisioned=False)
    return ClusterFacts(
        provisioned=True,
        autoscaler=None if cluster.autoscaler == "none" else cluster.autoscaler,
        addons=frozenset(core_addons()),
        own_plugin_pools=frozenset(
            name for name in gpu_pools(settings) if images()[settings.pools[name].image].device_plugin_inside
        ),
    )


def platform_spec(settings: StackSettings, facts: ClusterFacts) -> PlatformSpec:
    """Which charts are installed: as asked, else what a cluster of our own needs and an existing one has."""
    wanted, gpus = settings.platform, gpu_pools(settings)
    stack = _prometheus_stack(settings, facts)
    return PlatformSpec(
        models_namespace=settings.namespace,
        monitoring_namespace=settings.observability.monitoring_namespace,
        replicas=wanted.replicas,
        device_plugin=_on(wanted.device_plugin, facts.provisioned and bool(gpus - facts.own_plugin_pools)),
        pools_with_own_plugin=tuple(sorted(facts.own_plugin_pools)),
        dcgm_exporter=_on(wanted.dcgm_exporter, facts.provisioned and bool(gpus)),
        prometheus_stack=stack,
        monitors=_on(wanted.monitors, stack is not None),
        load_balancer_controller=_on(
            wanted.load_balancer_controller, facts.provisioned and has_alb(settings)
        ),
        keda=_on(wanted.keda, facts.provisioned and bool(keda_models(settings))),
        metrics_server=_on(
            wanted.metrics_server, facts.provisioned and METRICS_SERVER_ADDON not in facts.addons
        ),
        autoscaler=facts.autoscaler,
        external_secrets=_on(wanted.external_secrets, facts.provisioned and settings.secrets.in_cluster),
        storage_class=facts.provisioned
        and stack is not None
        and wanted.prometheus_stack.storage_class is None,
    )


def monitoring_manifests(
    settings: StackSettings, facts: ClusterFacts, versions: Sequence[VersionSpec], gateway: GatewaySpec
) -> dict[str, Manifest]:
    """Monitors, alerts and dashboard by a short fixed key, as far as they are asked for."""
    spec = platform_spec(settings, facts)
    made: dict[str, Manifest] = {}
    if spec.monitors:
        made |= pod_monitors(versions, gateway)
    if has_alerts(settings, facts):
        groups = alerts.groups(
            versions, gateway, alert_spec(settings), _objectives(settings), gpu_metrics=spec.dcgm_exporter
        )
        made["alerts"] = prometheus_rule(RULES, settings.namespace, groups)
    if has_dashboard(settings, facts):
        made["dashboard"] = dashboard_config_map(versions, settings.namespace)
    return made


def has_alerts(settings: StackSettings, facts: ClusterFacts) -> bool:
    """Whether alerts are made."""
    return _on(settings.platform.alerts.enabled, _prometheus_stack(settings, facts) is not None)


def has_dashboard(settings: StackSettings, facts: ClusterFacts) -> bool:
    """Whether the dashboard of the models is made."""
    stack = _prometheus_stack(settings, facts)
    return _on(settings.platform.dashboard, stack is not None and stack.grafana)


def alert_spec(settings: StackSettings) -> AlertSpec:
    """When alerts fire."""
    return AlertSpec(**settings.platform.alerts.model_dump(exclude={"enabled"}))


def chart_secrets(settings: StackSettings) -> dict[str, str]:
    """Config keys the charts need as secrets, each with the path of the setting that asks for it."""
    stack, asked = _prometheus_stack(settings, cluster_facts(settings)), settings.platform.prometheus_stack
    keys = {}
    if stack and stack.grafana:
        keys[asked.grafana_password] = "platform.prometheus_stack.grafana_password"
    if stack and asked.alertmanager_config:
        keys[asked.alertmanager_config] = "platform.prometheus_stack.alertmanager_config"
    return keys


def charts_prometheus_url(settings: StackSettings, facts: ClusterFacts) -> str | None:
    """Where the chart's Prometheus answers; None without the chart."""
    if _prometheus_stack(settings, facts) is None:
        return None
    return f"http://{PROMETHEUS_SERVICE}.{settings.observability.monitoring_namespace}.svc:{PROMETHEUS_PORT}"


def has_alb(settings: StackSettings) -> bool:
    """Whether the gateway is reached by an AWS load balancer."""
    ingress = settings.gateway.ingress
    return ingress is not None and ingress.class_name == ALB


def keda_models(settings: StackSettings) -> list[str]:
    """Models that KEDA scales."""
    return [
        name
        for name, model in settings.models.items()
        if isinstance(model, ServedModelSettings) and model.scaling and model.scaling.via == "keda"
    ]


def _prometheus_stack(settings: StackSettings, facts: ClusterFacts) -> PrometheusStackSpec | None:
    asked = settings.platform.prometheus_stack
    if not _on(asked.enabled, facts.provisioned):
        return None
    return PrometheusStackSpec(
        retention_days=asked.retention_days,
        storage_gib=asked.storage_gib,
        storage_class=STORAGE_CLASS
        if facts.provisioned and asked.storage_class is None
        else asked.storage_class,
        replicas=asked.replicas,
        cpu_millicores=round(asked.cpu * 1000),
        memory_mib=round(asked.memory_gib * 1024),
        grafana=asked.grafana,
        own_alertmanager_config=asked.alertmanager_config is not None,
    )


def _objectives(settings: StackSettings) -> dict[str, tuple[float, float]]:
    return {
        name: (model.objectives.ttft_p95_seconds, model.objectives.tpot_p95_seconds)
        for name, model in settings.models.items()
        if isinstance(model, ServedModelSettings) and model.objectives
    }


def gpu_pools(settings: StackSettings) -> frozenset[str]:
    """Pools whose nodes have GPUs."""
    known = catalogue()
    types = {name: pool.instance_type for name, pool in settings.pools.items()}
    return frozenset(name for name, kind in types.items() if kind in known and known[kind].gpus)


def _on(asked: bool | None, otherwise: bool) -> bool:
    return otherwise if asked is None else asked
