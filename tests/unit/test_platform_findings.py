"""What is told about `platform:` of a stack file."""

from dataclasses import replace
from typing import Any

import pytest

from infra.checks_platform import check_platform
from infra.resolve_charts import ClusterFacts
from planner.finding import Severity
from tests.stack_files import valid, with_value
from tests.unit.platform_examples import (
    AWS,
    EKS,
    EXISTING,
    KARPENTER,
    ROCKETS,
    errors,
    settings_of,
    with_alb,
    with_keda,
    with_platform,
)

MISTAKES: list[tuple[str, dict[str, Any], ClusterFacts, str, str]] = [
    (
        "plugin on Bottlerocket",
        with_platform(device_plugin=True),
        ROCKETS,
        "platform.device_plugin",
        "l4 bring",
    ),
    (
        "metrics-server twice",
        with_platform(metrics_server=True),
        EKS,
        "platform.metrics_server",
        "EKS add-on too; keep one",
    ),
    (
        "node exporter twice",
        with_platform(),
        replace(EKS, addons=frozenset({"prometheus-node-exporter"})),
        "platform.prometheus_stack.enabled",
        "remove the add-on",
    ),
    (
        "monitors without Prometheus",
        with_platform(monitors=True, prometheus_stack={"enabled": False}),
        EKS,
        "platform.monitors",
        "install platform.prometheus_stack",
    ),
    (
        "monitors on a cluster without Prometheus",
        with_platform(monitors=True),
        EXISTING,
        "platform.monitors",
        "say observability.prometheus_url",
    ),
    (
        "alerts without Prometheus",
        with_platform(alerts={"enabled": True}),
        EXISTING,
        "platform.alerts.enabled",
        "no Prometheus reads it",
    ),
    (
        "dashboard without Grafana",
        with_platform(dashboard=True, prometheus_stack={"grafana": False}),
        EKS,
        "platform.dashboard",
        "there is no Grafana",
    ),
    ("KEDA scaling without KEDA", with_keda(keda=False), EKS, "platform.keda", "models.chat.scaling"),
    (
        "ALB without its controller",
        with_alb(load_balancer_controller=False),
        EKS,
        "platform.load_balancer_controller",
        "class_name",
    ),
    (
        "secrets for an operator that is switched off",
        with_value("secrets", {"source": "external-secrets"}, with_platform(external_secrets=False)),
        EKS,
        "platform.external_secrets",
        "secrets.source",
    ),
    (
        "controller that does not know its cluster",
        with_platform(load_balancer_controller=True),
        EXISTING,
        "platform.aws_cluster",
        "is missing",
    ),
    ("names of our own cluster", with_platform(aws_cluster=AWS), EKS, "platform.aws_cluster", "remove it"),
    (
        "Prometheus among the models",
        with_value("observability", {"monitoring_namespace": "llmserve"}),
        EKS,
        "observability.monitoring_namespace",
        "a namespace of its own",
    ),
    (
        "two of Prometheus",
        with_value("observability", {"prometheus": {}}),
        EKS,
        "observability.prometheus",
        "keep one",
    ),
    (
        "critical below warning",
        with_platform(alerts={"critical_error_percent": 1}),
        EXISTING,
        "platform.alerts.critical_error_percent",
        "raise it",
    ),
    ("Karpenter without nodes", with_platform(), KARPENTER, "platform.replicas", "have 0 nodes"),
]


@pytest.mark.parametrize(
    ("raw", "facts", "path", "says"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_a_mistake_is_told_where_it_is(
    raw: dict[str, Any], facts: ClusterFacts, path: str, says: str
) -> None:
    found = errors(raw, facts)
    assert list(found) == [path]
    assert says in found[path]


GOOD: list[tuple[dict[str, Any], ClusterFacts]] = [
    (with_platform(), EKS),
    (with_platform(device_plugin=False), ROCKETS),
    (with_platform(metrics_server=False), EKS),
    (with_platform(metrics_server=True), replace(EKS, addons=frozenset())),
    (with_platform(monitors=True, prometheus_stack={"enabled": True}), EXISTING),
    (
        with_platform(
            with_value("observability", {"prometheus_url": "http://prometheus:9090"}),
            monitors=True,
            alerts={"enabled": True},
            dashboard=True,
        ),
        EXISTING,
    ),
    (with_keda(), EKS),
    (with_keda(), EXISTING),
    (with_alb(), EKS),
    (with_alb(), EXISTING),
    (with_value("pools.system", {"instance_type": "m7i.2xlarge", "min": 2, "max": 3}), KARPENTER),
]


@pytest.mark.parametrize(("raw", "facts"), GOOD)
def test_the_good_variant_of_each_mistake_is_not_refused(raw: dict[str, Any], facts: ClusterFacts) -> None:
    assert errors(raw, facts) == {}


def test_risks_are_warnings() -> None:
    def warnings(raw: dict[str, Any], facts: ClusterFacts) -> set[str]:
        found = check_platform(settings_of(raw), facts)
        return {finding.path for finding in found if finding.severity is Severity.WARNING}

    silent = "platform.prometheus_stack.alertmanager_config"
    assert warnings(valid(), EKS) == {silent}, "alerts that reach nobody"
    heard = with_platform(prometheus_stack={"alertmanager_config": "alertmanager_config"})
    assert warnings(heard, EKS) == set()
    assert warnings(with_platform(heard, device_plugin=False), EKS) == {silent, "platform.device_plugin"}
