"""Monitors find the pods we render, on ports they have, over every example stack."""

from typing import Any

import pytest
import yaml

from components.gateway.manifests import gateway_manifests
from components.platform.monitor_manifests import pod_monitors
from components.serving.manifests import version_manifests
from infra.resolve import version_specs
from infra.resolve_gateway import gateway_spec
from infra.stackfile.stack import StackSettings
from tests.snapshot import assert_snapshot
from tests.unit.platform_examples import example_stacks

STACKS = example_stacks()


def monitors(settings: StackSettings) -> dict[str, Any]:
    return pod_monitors(version_specs(settings), gateway_spec(settings))


def workloads(settings: StackSettings) -> list[dict[str, Any]]:
    """Every set of manifests that has pods."""
    sets = [version_manifests(spec) for spec in version_specs(settings)]
    return [*sets, gateway_manifests(gateway_spec(settings), environment_secret="environment")]


def selects(monitor: dict[str, Any], deployment: dict[str, Any]) -> bool:
    wanted = monitor["spec"]["selector"]["matchLabels"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    same_place = monitor["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    return same_place and wanted.items() <= labels.items()


@pytest.mark.parametrize("stack", STACKS)
def test_every_monitor_selects_pods_with_the_port_and_path_it_asks(stack: str) -> None:
    deployments = [manifests["deployment"] for manifests in workloads(STACKS[stack])]
    for key, monitor in monitors(STACKS[stack]).items():
        found = [deployment for deployment in deployments if selects(monitor, deployment)]
        assert found, f"{key} selects nothing"
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        for deployment in found:
            template = deployment["spec"]["template"]
            containers = [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]
            ports = {
                port["name"]: port["containerPort"]
                for container in containers
                for port in container.get("ports", [])
            }
            notes = template["metadata"]["annotations"]
            assert endpoint["port"] in ports, f"{key}: no port {endpoint['port']}"
            assert str(ports[endpoint["port"]]) == notes["prometheus.io/port"]
            assert endpoint["path"] == notes["prometheus.io/path"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_pod_with_metrics_is_selected_once_and_no_other_pod_is(stack: str) -> None:
    for manifests in workloads(STACKS[stack]):
        deployment = manifests["deployment"]
        annotations = deployment["spec"]["template"]["metadata"].get("annotations", {})
        times = sum(selects(monitor, deployment) for monitor in monitors(STACKS[stack]).values())
        assert times == (1 if "prometheus.io/scrape" in annotations else 0), deployment["metadata"]["name"]


@pytest.mark.parametrize("stack", STACKS)
def test_monitoring_may_reach_every_port_a_monitor_asks(stack: str) -> None:
    settings = STACKS[stack]
    wanted = {"kubernetes.io/metadata.name": settings.observability.monitoring_namespace}
    for manifests in workloads(settings):
        for monitor in monitors(settings).values():
            if not selects(monitor, manifests["deployment"]):
                continue
            (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
            allowed = [
                rule
                for rule in manifests["network-policy"]["spec"]["ingress"]
                if {"protocol": "TCP", "port": endpoint["port"]} in rule["ports"]
                and any(
                    peer.get("namespaceSelector", {}).get("matchLabels") == wanted
                    for peer in rule.get("from", [])
                )
            ]
            assert allowed, manifests["deployment"]["metadata"]["name"]


@pytest.mark.parametrize("stack", STACKS)
def test_engine_pods_carry_every_label_that_is_copied_onto_series(stack: str) -> None:
    settings = STACKS[stack]
    for spec in version_specs(settings):
        labels = version_manifests(spec)["deployment"]["spec"]["template"]["metadata"]["labels"]
        for monitor in monitors(settings).values():
            assert set(monitor["spec"]["podTargetLabels"]) <= set(labels)


def test_the_monitors_are_as_recorded() -> None:
    rendered = list(monitors(STACKS["every-engine"]).values())
    assert_snapshot("platform/monitors.yaml", yaml.safe_dump_all(rendered, sort_keys=False))
