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
from planner.eks import core_addons
from tests.stack_files import ROOT, eks_valid, stack_config, valid, with_value
from tests.unit.platform_examples import (
    ALB,
    AWS,
    EKS,
    EXISTING,
    ROCKETS,
    errors,
    settings_of,
    with_alb,
    with_keda,
    with_platform,
)


def releases(raw: dict[str, Any], facts: ClusterFacts) -> set[str]:
    return set(release_names(platform_spec(settings_of(raw), facts)))


def test_an_existing_cluster_takes_nothing_unless_asked() -> None:
    settings = settings_of(stack_config("local"))
    assert cluster_facts(settings) == EXISTING
    assert release_names(platform_spec(settings, EXISTING)) == ()
    assert monitoring_manifests(settings, EXISTING, version_specs(settings), gateway_spec(settings)) == {}
    assert list(check_platform(settings, EXISTING)) == []


def test_what_eks_brings_is_read_from_the_stack_file() -> None:
    raw = with_value(
        "pools.rocket", {"instance_type": "g6.xlarge", "max": 1, "image": "bottlerocket"}, eks_valid()
    )
    assert cluster_facts(settings_of(raw)) == ClusterFacts(
        provisioned=True,
        autoscaler="cluster-autoscaler",
        addons=frozenset(core_addons()),
        own_plugin_pools=frozenset({"rocket"}),
    )
    without = with_value("cluster.autoscaler", "none", eks_valid())
    assert cluster_facts(settings_of(without)).autoscaler is None


def test_keda_asks_the_charts_prometheus_unless_another_is_named() -> None:
    raw = with_value("models.chat.scaling.via", "keda", eks_valid())
    (url,) = {v.scaling.prometheus_url for v in version_specs(settings_of(raw)) if v.scaling}
    assert url == charts_prometheus_url(settings_of(raw), cluster_facts(settings_of(raw)))
    named = with_value("observability.prometheus_url", "http://mine:9090", raw)
    (url,) = {v.scaling.prometheus_url for v in version_specs(settings_of(named)) if v.scaling}
    assert url == "http://mine:9090"


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
