"""From `platform:` of the stack file to charts, and what is told about it."""

from dataclasses import replace
from typing import Any

import pytest

from components.platform.charts import charts
from components.platform.releases import release_names
from infra.checks_platform import check_platform
from infra.resolve import version_specs
from infra.resolve_charts import (
    ClusterFacts,
    alert_spec,
    charts_prometheus_url,
    cluster_facts,
    monitoring_manifests,
    platform_spec,
)
from infra.resolve_gateway import gateway_spec
from infra.secret_keys import required_secrets
from planner.finding import Severity
from tests.stack_files import ROOT, STACKS, stack_config, valid, with_value
from tests.unit.platform_examples import EKS, EXISTING, settings_of

ROCKETS = replace(EKS, own_plugin_pools=frozenset({"l4"}))
KARPENTER = replace(EKS, autoscaler="karpenter")
AWS = {"cluster_name": "c", "region": "us-west-2", "vpc_id": "vpc-0"}
ALB = {"hostname": "llm.example.com", "certificate_arn": "arn:aws:acm:us-west-2:111122223333:certificate/0"}


def with_platform(raw: dict[str, Any] | None = None, **platform: Any) -> dict[str, Any]:
    return with_value("platform", platform, raw)


def with_keda(**platform: Any) -> dict[str, Any]:
    return with_platform(with_value("models.chat.scaling", {"max": 2, "via": "keda"}), **platform)


def with_alb(**platform: Any) -> dict[str, Any]:
    return with_platform(with_value("gateway", {"ingress": ALB}), **platform)


def releases(raw: dict[str, Any], facts: ClusterFacts) -> set[str]:
    return set(release_names(platform_spec(settings_of(raw), facts)))


def errors(raw: dict[str, Any], facts: ClusterFacts) -> dict[str, str]:
    found = check_platform(settings_of(raw), facts)
    return {f.path: f"{f.message}; {f.fix}" for f in found if f.severity is Severity.ERROR}


@pytest.mark.parametrize("stack", STACKS)
def test_an_existing_cluster_takes_nothing_unless_asked(stack: str) -> None:
    settings = settings_of(stack_config(stack))
    assert cluster_facts(settings) == EXISTING
    assert release_names(platform_spec(settings, EXISTING)) == ()
    assert monitoring_manifests(settings, EXISTING, version_specs(settings), gateway_spec(settings)) == {}
    assert list(check_platform(settings, EXISTING)) == []


def test_a_cluster_of_our_own_gets_what_its_models_need() -> None:
    base = {"nvidia-device-plugin", "dcgm-exporter", "cluster-autoscaler", "kube-prometheus-stack"}
    assert releases(valid(), EKS) == base
    assert releases(valid(), replace(EKS, addons=frozenset())) == base | {"metrics-server"}
    assert releases(valid(), ROCKETS) == base - {"nvidia-device-plugin"}
    assert releases(with_keda(), EKS) == base | {"keda"}
    assert releases(with_alb(), EKS) == base | {"aws-load-balancer-controller"}
    without_gpus = with_value("pools.l4.instance_type", "m7i.2xlarge")
    assert releases(without_gpus, EKS) == {"cluster-autoscaler", "kube-prometheus-stack"}


@pytest.mark.parametrize(
    ("off", "release"),
    [
        ({"device_plugin": False}, "nvidia-device-plugin"),
        ({"dcgm_exporter": False}, "dcgm-exporter"),
        ({"prometheus_stack": {"enabled": False}}, "kube-prometheus-stack"),
        ({"keda": False}, "keda"),
        ({"load_balancer_controller": False}, "aws-load-balancer-controller"),
        ({"metrics_server": False}, "metrics-server"),
    ],
)
def test_each_part_can_be_switched_off_alone(off: dict[str, Any], release: str) -> None:
    facts = replace(EKS, addons=frozenset())
    everything = with_value("gateway", {"ingress": ALB}, with_keda())
    assert release in releases(everything, facts)
    assert releases(with_platform(everything, **off), facts) == releases(with_platform(everything), facts) - {
        release
    }


@pytest.mark.parametrize(
    ("on", "release"),
    [
        ({"device_plugin": True}, "nvidia-device-plugin"),
        ({"dcgm_exporter": True}, "dcgm-exporter"),
        ({"prometheus_stack": {"enabled": True}}, "kube-prometheus-stack"),
        ({"keda": True}, "keda"),
        ({"load_balancer_controller": True, "aws_cluster": AWS}, "aws-load-balancer-controller"),
        ({"metrics_server": True}, "metrics-server"),
        ({"external_secrets": True}, "external-secrets"),
    ],
)
def test_an_existing_cluster_can_ask_for_each_part_alone(on: dict[str, Any], release: str) -> None:
    assert releases(with_platform(**on), EXISTING) == {release}
    assert errors(with_platform(**on), EXISTING) == {}


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


def test_a_pool_that_brings_its_plugin_is_left_out_beside_one_that_does_not() -> None:
    raw = with_value("pools.l40s", {"instance_type": "g6e.xlarge", "max": 1})
    spec = platform_spec(settings_of(raw), ROCKETS)
    assert spec.device_plugin
    assert spec.pools_with_own_plugin == ("l4",)


def test_the_volume_class_is_ours_on_our_cluster_and_the_clusters_own_elsewhere() -> None:
    ours = platform_spec(settings_of(valid()), EKS)
    theirs = platform_spec(settings_of(with_platform(prometheus_stack={"enabled": True})), EXISTING)
    named = platform_spec(settings_of(with_platform(prometheus_stack={"storage_class": "fast"})), EKS)
    classes = [
        (spec.storage_class, spec.prometheus_stack.storage_class)
        for spec in (ours, theirs, named)
        if spec.prometheus_stack
    ]
    assert classes == [(True, "gp3"), (False, None), (False, "fast")]


def test_the_password_and_the_receivers_are_secrets_that_have_to_be_set() -> None:
    stack = {"enabled": True, "grafana_password": "pw", "alertmanager_config": "am"}
    keys = required_secrets(settings_of(with_platform(prometheus_stack=stack)))
    assert keys["pw"] == "platform.prometheus_stack.grafana_password"
    assert keys["am"] == "platform.prometheus_stack.alertmanager_config"
    assert not {"grafana_admin_password", "pw"} & set(required_secrets(settings_of(valid())))


def test_alert_numbers_reach_the_rules() -> None:
    raw = with_platform(
        prometheus_stack={"enabled": True}, alerts={"queue_requests": 7, "error_percent": 2.5}
    )
    settings = settings_of(raw)
    assert (alert_spec(settings).queue_requests, alert_spec(settings).error_percent) == (7, 2.5)
    made = monitoring_manifests(settings, EXISTING, version_specs(settings), gateway_spec(settings))
    assert set(made) == {"monitor-vllm", "monitor-tgi", "monitor-gateway", "alerts", "dashboard"}
    text = str(made["alerts"])
    assert "> 7'" in text
    assert "> 0.025 " in text


def test_kedas_prometheus_is_the_charts_own() -> None:
    assert (
        charts_prometheus_url(settings_of(valid()), EKS) == "http://prometheus-operated.monitoring.svc:9090"
    )
    assert charts_prometheus_url(settings_of(valid()), EXISTING) is None


def test_the_page_names_the_versions_that_are_installed() -> None:
    page = (ROOT / "docs/platform.md").read_text(encoding="utf-8")
    for release, chart in charts().items():
        assert release in page
        assert chart.version in page, f"docs/platform.md says another version of {release}"
