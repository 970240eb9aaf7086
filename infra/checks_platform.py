"""Rules about the platform: charts that exclude each other, what lacks what it needs. Pure."""

from collections.abc import Iterator

from infra.resolve_charts import (
    METRICS_SERVER_ADDON,
    ClusterFacts,
    gpu_pools,
    has_alb,
    has_alerts,
    keda_models,
    platform_spec,
)
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.finding import Finding, error, warning

_STACK = "platform.prometheus_stack"
_INSIDE_THE_STACK = ("kube-state-metrics", "prometheus-node-exporter")
"""EKS add-ons that kube-prometheus-stack brings itself."""


def check_platform(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    """Findings about charts, monitors and alerts."""
    yield from _device_plugin(settings, facts)
    yield from _addons(settings, facts)
    yield from _needed_by_models(settings, facts)
    yield from _watching(settings, facts)
    yield from _cluster_names(settings, facts)
    yield from _replicas(settings, facts)


def _device_plugin(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    asked, pools = settings.platform.device_plugin, gpu_pools(settings)
    path = "platform.device_plugin"
    if asked and pools and pools <= facts.own_plugin_pools:
        brought = f"is on, and the nodes of {', '.join(sorted(pools))} bring one of their own"
        yield error(path, brought, "remove it: with two on a node every GPU is given out twice")
    if asked is False and facts.provisioned and (without := pools - facts.own_plugin_pools):
        yield warning(
            path,
            f"is off, and the nodes of {', '.join(sorted(without))} bring none",
            "remove it unless you install another: without one no pod gets a GPU",
        )


def _addons(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    spec = platform_spec(settings, facts)
    if spec.metrics_server and METRICS_SERVER_ADDON in facts.addons:
        both = "is on, and metrics-server is an EKS add-on too"
        yield error("platform.metrics_server", both, "keep one of them")
    if spec.prometheus_stack:
        for addon in _INSIDE_THE_STACK:
            if addon in facts.addons:
                both = f"brings {addon}, which is an EKS add-on too"
                yield error(f"{_STACK}.enabled", both, "remove the add-on")


def _needed_by_models(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    """An existing cluster may have them from elsewhere, one of our own has not."""
    spec = platform_spec(settings, facts)
    if facts.provisioned and not spec.keda and (models := keda_models(settings)):
        wanted = f"is off, and models.{models[0]}.scaling asks for it"
        yield error("platform.keda", wanted, "remove it, or scale via: hpa")
    if facts.provisioned and not spec.load_balancer_controller and has_alb(settings):
        wanted = "is off, and gateway.ingress asks for an ALB"
        yield error("platform.load_balancer_controller", wanted, "remove it, or name another class_name")
    if facts.provisioned and not spec.external_secrets and settings.secrets.in_cluster:
        wanted = "is off, and secrets.source asks for it"
        yield error("platform.external_secrets", wanted, "remove it, or use another secrets.source")


def _watching(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    platform, spec = settings.platform, platform_spec(settings, facts)
    stack, outside = spec.prometheus_stack, settings.observability.prometheus_url
    asked = {
        "platform.monitors": platform.monitors,
        "platform.alerts.enabled": platform.alerts.enabled,
    }
    for path, on in asked.items():
        if on and stack is None and (facts.provisioned or outside is None):
            how = f"install {_STACK}" if facts.provisioned else "say observability.prometheus_url"
            yield error(path, "is on, and no Prometheus reads it", how)
    if platform.dashboard and not (stack and stack.grafana) and facts.provisioned:
        yield error("platform.dashboard", "is on, and there is no Grafana", f"set {_STACK}.grafana")
    if stack and settings.observability.monitoring_namespace == settings.namespace:
        same = f"is {settings.namespace}, the namespace of the models"
        yield error("observability.monitoring_namespace", same, "give Prometheus a namespace of its own")
    if stack and settings.observability.prometheus:
        two = "makes a Prometheus, and platform.prometheus_stack makes another"
        yield error("observability.prometheus", two, "keep one of them")
    if stack and has_alerts(settings, facts) and not stack.own_alertmanager_config:
        silent = "is missing, so alerts fire and reach nobody"
        yield warning(
            f"{_STACK}.alertmanager_config", silent, "name a secret config key with alertmanager.yaml"
        )
    if platform.alerts.critical_error_percent < platform.alerts.error_percent:
        lower = f"is {platform.alerts.critical_error_percent:g}, below error_percent"
        yield error("platform.alerts.critical_error_percent", lower, "raise it")


def _cluster_names(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    given, path = settings.platform.aws_cluster, "platform.aws_cluster"
    if facts.provisioned and given:
        yield error(path, "is given, and the program makes the cluster", "remove it")
    if not facts.provisioned and not given and platform_spec(settings, facts).load_balancer_controller:
        yield error(path, "is missing, and the load balancer controller needs it", "add the cluster's names")


def _replicas(settings: StackSettings, facts: ClusterFacts) -> Iterator[Finding]:
    """Two pods of Karpenter never share a node, nor run on one it made."""
    if facts.autoscaler != "karpenter":
        return
    known, gpus = catalogue(), gpu_pools(settings)
    nodes = sum(p.max for name, p in settings.pools.items() if name not in gpus and p.instance_type in known)
    if settings.platform.replicas > nodes:
        few = f"is {settings.platform.replicas}, and pools without GPUs have {nodes} nodes at most"
        yield error("platform.replicas", few, "lower it: each replica of Karpenter takes a node")
