"""The platform in the whole program and alone, under the recorder."""

from typing import Any

import pulumi
import pytest

from components.platform.charts import charts
from components.platform.component import Platform, PlatformArgs
from infra import program, settings
from tests.program.harness import SECRET_SIGNATURE, Deployment, Registration, deploy
from tests.stack_files import secrets_for, valid
from tests.unit.platform_examples import platform

RELEASE = "kubernetes:helm.sh/v3:Release"
PROVIDER = "pulumi:providers:kubernetes"


def raw() -> dict[str, Any]:
    """A cluster that has nothing but KEDA's and an ALB's models on it."""
    tree = valid()
    tree["models"]["chat"]["scaling"] = {"max": 2, "via": "keda"}
    tree["observability"] = {"prometheus_url": "http://prometheus-operated.monitoring.svc:9090"}
    tree["gateway"] = {
        "ingress": {
            "hostname": "llm.example.com",
            "certificate_arn": "arn:aws:acm:us-west-2:111122223333:certificate/0",
        }
    }
    tree["platform"] = {
        "prometheus_stack": {"enabled": True, "alertmanager_config": "alertmanager_config"},
        "dcgm_exporter": True,
        "keda": True,
        "load_balancer_controller": True,
        "aws_cluster": {"cluster_name": "mine", "region": "us-west-2", "vpc_id": "vpc-0"},
    }
    return tree


def secrets() -> dict[str, Any]:
    own = {"grafana_admin_password": "grafana-of-a-test", "alertmanager_config": "receiver-of-a-test"}
    return {**secrets_for(raw()), **own}


def run() -> None:
    for name, value in program.build(settings.load()).items():
        pulumi.export(name, value)


def deployed(*, preview: bool = False) -> Deployment:
    return deploy(run, {"settings": raw()}, secrets(), preview=preview)


def release(deployment: Deployment, name: str) -> Registration:
    return deployment.one(RELEASE, f"platform-{name}")


def test_every_release_has_its_exact_version_and_is_taken_back_when_it_fails() -> None:
    made = deployed().of(RELEASE)
    assert {r.manifest["name"] for r in made} == {
        "kube-prometheus-stack",
        "dcgm-exporter",
        "keda",
        "aws-load-balancer-controller",
    }
    for registration in made:
        given, chart = registration.manifest, charts()[registration.manifest["name"]]
        assert (given["chart"], given["version"]) == (chart.chart, chart.version)
        assert given["repositoryOpts"] == {"repo": chart.repository}
        assert (given["atomic"], given["cleanupOnFail"], given["timeout"]) == (
            True,
            True,
            chart.timeout_seconds,
        )
        assert f"{PROVIDER}::kubernetes::" in registration.provider
        assert registration.parent == "platform"


def test_kinds_come_before_the_objects_that_are_of_them() -> None:
    deployment = deployed()
    stack = release(deployment, "kube-prometheus-stack").urn.rsplit("::", 1)[-1]
    assert stack in release(deployment, "dcgm-exporter").dependencies
    for kind in ("PodMonitor", "PrometheusRule"):
        found = deployment.of(f"kubernetes:monitoring.coreos.com/v1:{kind}")
        assert found, kind
        for registration in found:
            assert stack in registration.dependencies
            assert registration.manifest["metadata"]["namespace"] == "llmserve"
    scaled = deployment.of("kubernetes:keda.sh/v1alpha1:ScaledObject")
    assert len(scaled) == 2
    for registration in scaled:
        assert "platform-keda" in registration.dependencies
    (ingress,) = deployment.of("kubernetes:networking.k8s.io/v1:Ingress")
    assert "platform-aws-load-balancer-controller" in ingress.dependencies
    for workload in deployment.of("kubernetes:apps/v1:Deployment"):
        assert not [name for name in workload.dependencies if name.startswith("platform-")]


def test_releases_are_in_namespaces_of_ours_or_of_the_system() -> None:
    deployment = deployed()
    namespaces = {
        r.name: r.manifest["metadata"]["name"] for r in deployment.of("kubernetes:core/v1:Namespace")
    }
    assert namespaces == {
        "namespace": "llmserve",
        "platform-namespace-monitoring": "monitoring",
        "platform-namespace-nvidia": "nvidia",
        "platform-namespace-keda": "keda",
    }
    for registration in deployment.of(RELEASE):
        place = registration.manifest["namespace"]
        if place != "kube-system":
            assert f"platform-namespace-{place}" in registration.dependencies


def test_password_and_receivers_are_in_secrets_alone_and_never_in_clear() -> None:
    deployment = deployed()
    for key, name in (
        ("grafana-of-a-test", "platform-grafana-admin"),
        ("receiver-of-a-test", "platform-alertmanager-config"),
    ):
        holders = [r.name for r in deployment if key in str(r.manifest)]
        assert holders == [name]
        registration = deployment.one("kubernetes:core/v1:Secret", name)
        assert registration.manifest["metadata"]["namespace"] == "monitoring"
        assert key not in str(without_secrets(registration.inputs))
        assert name in release(deployment, "kube-prometheus-stack").dependencies


def without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {} if SECRET_SIGNATURE in value else {k: without_secrets(v) for k, v in value.items()}
    return [without_secrets(child) for child in value] if isinstance(value, list) else value


def test_preview_and_up_register_the_same() -> None:
    assert {(r.type, r.name) for r in deployed(preview=True)} == {(r.type, r.name) for r in deployed()}


def test_without_a_password_the_program_stops_before_any_resource() -> None:
    given = secrets()
    del given["grafana_admin_password"]
    with pytest.raises(pulumi.RunError, match="llmserve:grafana_admin_password: is missing"):
        deploy(run, {"settings": raw()}, given)


def test_what_only_a_deployment_knows_reaches_the_values_and_waits_for_its_maker() -> None:
    def alone() -> None:
        opts = pulumi.ResourceOptions(providers=[])
        node_group = pulumi.ComponentResource("test:module:Thing", "nodes", None, opts)
        vpc = pulumi.CustomResource("test:module:Vpc", "vpc", {"name": "of-a-test"})
        made = Platform(
            "platform",
            PlatformArgs(
                spec=platform(),
                cluster_name=vpc.id,
                region="us-west-2",
                vpc_id=vpc.id,
                grafana_password="clear-text",
                alertmanager_config="route: {}",
                after=[vpc, node_group],
            ),
        )
        pulumi.export("installed", made.installed)

    deployment = deploy(alone, {}, {})
    controller = release(deployment, "aws-load-balancer-controller")
    assert controller.manifest["values"]["vpcId"] == "vpc-id"
    for registration in deployment.of(RELEASE):
        assert "vpc" in registration.dependencies
    assert deployment.outputs["installed"]["keda"] == charts()["keda"].version
    (storage,) = deployment.of("kubernetes:storage.k8s.io/v1:StorageClass")
    assert storage.manifest["provisioner"] == "ebs.csi.aws.com"
    assert storage.name in release(deployment, "kube-prometheus-stack").dependencies
    password = deployment.one("kubernetes:core/v1:Secret", "platform-grafana-admin")
    assert "clear-text" not in str(without_secrets(password.inputs)), "what a Secret holds is one"
