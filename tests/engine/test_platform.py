"""The platform under the real engine and a real API server; releases are recorded, no chart is installed.

Kinds come with the release that brings them (local/chart_kinds.yaml): the server checks names, not contents.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.kubectl import Kubectl
from tests.engine.programs.stack import WORD, Stack
from tests.stack_files import valid

RECORDED = "recorded only: the stand-in did NOT install this Helm release"
RELEASES = {
    "platform-nvidia-device-plugin",
    "platform-metrics-server",
    "platform-cluster-autoscaler",
    "platform-keda",
    "platform-kube-prometheus-stack",
    "platform-dcgm-exporter",
}


@pytest.fixture
def kinds(kubectl: Kubectl) -> Iterator[None]:
    """The server without kinds of charts before and after: each comes with its release, and stays."""
    kubectl.run("delete", "crd", "--all")  # those of other tests' releases
    yield
    kubectl.run("delete", "crd", "--all")


@pytest.fixture
def stack(
    tmp_path: Path, engine_environment: Callable[[Path], dict[str, str]], run_pulumi: Callable[..., object]
) -> Stack:
    raw = valid()
    raw["namespace"] = "watched"
    raw["models"]["chat"]["scaling"] = {"max": 2, "via": "keda"}
    raw["observability"] = {
        "monitoring_namespace": "platform-monitoring",
        "prometheus_url": "http://prometheus-operated.platform-monitoring.svc:9090",
    }
    raw["platform"] = {"prometheus_stack": {"alertmanager_config": "word"}}
    made = Stack("platform", tmp_path, engine_environment(tmp_path), run_pulumi)
    (tmp_path / "settings.json").write_text(json.dumps(raw), encoding="utf-8")
    made.set_word()
    return made


@pytest.mark.usefixtures("kinds")
def test_the_platform_lives_from_its_first_preview_to_destroy(stack: Stack, kubectl: Kubectl) -> None:
    foreseen = re.search(r"(\d+) to create", stack.pulumi("preview"))
    said = stack.up()
    assert foreseen
    assert f"{foreseen[1]} created" in said, (
        "the first preview, before any kind or namespace is there, tells all"
    )
    assert said.count(RECORDED) >= len(RELEASES)
    state = stack.resources()
    recorded = {name for name, entry in state.items() if entry["type"] == "kubernetes:helm.sh/v3:Release"}
    assert recorded == RELEASES
    monitors = {item["metadata"]["name"] for item in kubectl.list("podmonitors", "-n", "watched")}
    assert monitors == {"engine-vllm", "engine-tgi", "gateway"}
    (rule,) = kubectl.list("prometheusrules", "-n", "watched")
    assert len(rule["spec"]["groups"]) >= 5
    assert len(kubectl.list("scaledobjects", "-n", "watched")) == 2
    brought = {item["spec"]["names"]["kind"] for item in kubectl.list("crd")}
    assert brought == {"PodMonitor", "ServiceMonitor", "PrometheusRule", "ScaledObject"}, (
        "none of Karpenter's"
    )
    assert kubectl.list("storageclass")[0]["provisioner"] == "ebs.csi.aws.com"
    assert not stack.holds(WORD), "the password and the receivers lie encrypted"
    assert "unchanged" in (again := stack.up())
    assert "created" not in again
    assert "updated" not in again
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert kubectl.list("podmonitors", "-A") == []
    assert kubectl.list("storageclass") == []
