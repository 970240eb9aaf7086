"""What the charts' own values lack, and ours say."""

import json

import pytest
import yaml

from components import naming
from components.platform import manifests, values
from components.platform.releases import release_names, release_values
from tests.snapshot import assert_snapshot
from tests.unit.platform_examples import NAMES, PLATFORMS, STACK, platform


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_values_are_as_recorded(name: str) -> None:
    rendered = json.loads(json.dumps(release_values(PLATFORMS[name], NAMES)))  # without YAML aliases
    assert_snapshot(f"platform/values-{name}.yaml", yaml.safe_dump(rendered, sort_keys=False, width=200))


def test_the_exporter_reaches_gpu_nodes_whatever_their_taints_and_keeps_the_pods_labels() -> None:
    exporter = values.dcgm_exporter(platform())
    assert exporter["tolerations"] == [{"operator": "Exists"}]
    assert exporter["nodeSelector"] == {naming.GPU_PRESENT_LABEL: "true"}
    assert exporter["serviceMonitor"]["honorLabels"] is True


def test_no_service_monitor_is_asked_of_a_cluster_that_does_not_know_the_kind() -> None:
    assert values.dcgm_exporter(platform(monitors=False))["serviceMonitor"]["enabled"] is False


def test_the_device_plugin_leaves_out_pools_that_bring_their_own() -> None:
    def expressions(*pools: str) -> list[dict[str, object]]:
        affinity = values.device_plugin(platform(pools_with_own_plugin=pools))["affinity"]["nodeAffinity"]
        (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        wanted: list[dict[str, object]] = term["matchExpressions"]
        return wanted

    present = {"key": naming.GPU_PRESENT_LABEL, "operator": "In", "values": ["true"]}
    assert expressions() == [present]
    left_out = {"key": naming.POOL_LABEL, "operator": "NotIn", "values": ["a", "b"]}
    assert expressions("b", "a") == [present, left_out]


def test_prometheus_sees_every_monitor_and_rule_and_not_what_eks_hides() -> None:
    rendered = values.kube_prometheus_stack(STACK)
    prometheus = rendered["prometheus"]["prometheusSpec"]
    for kind in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"):
        assert prometheus[f"{kind}SelectorNilUsesHelmValues"] is False
    for hidden in ("kubeControllerManager", "kubeEtcd", "kubeProxy", "kubeScheduler"):
        assert rendered[hidden] == {"enabled": False}
    assert set(rendered["defaultRules"]["rules"].values()) == {False}


def test_prometheus_deletes_old_data_before_its_volume_is_full() -> None:
    prometheus = values.kube_prometheus_stack(STACK)["prometheus"]["prometheusSpec"]
    assert prometheus["retention"] == "15d"
    assert prometheus["retentionSize"] == "87040MiB", "85 % of 100 GiB"
    volume = prometheus["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert volume["resources"] == {"requests": {"storage": "100Gi"}}
    assert volume["storageClassName"] == "gp3"


def test_no_password_is_in_any_value() -> None:
    text = yaml.safe_dump(release_values(platform(), NAMES))
    assert "adminPassword" not in text
    grafana = values.kube_prometheus_stack(STACK)["grafana"]
    secret = manifests.grafana_secret("of-a-test")
    assert grafana["admin"]["existingSecret"] == secret["metadata"]["name"]
    assert secret["stringData"][grafana["admin"]["passwordKey"]] == "of-a-test"
    assert grafana["admin"]["userKey"] in secret["stringData"]


def test_alertmanager_reads_the_secret_we_make() -> None:
    spec = values.kube_prometheus_stack(STACK)["alertmanager"]["alertmanagerSpec"]
    secret = manifests.alertmanager_secret("route: {}")
    assert (spec["useExistingSecret"], spec["configSecret"]) == (True, secret["metadata"]["name"])
    assert set(secret["stringData"]) == {"alertmanager.yaml"}


def test_every_release_has_a_namespace_and_only_those_that_use_nodes_may_do_anything() -> None:
    made = manifests.namespaces(platform(), release_names(platform()))
    levels = {
        name: made[name]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for name in sorted(made)
    }
    assert levels == {
        "external-secrets": "baseline",
        "keda": "baseline",
        "monitoring": "privileged",
        "nvidia": "privileged",
    }
    assert manifests.namespaces(platform(), ()) == {}


def test_the_storage_class_encrypts_and_waits_for_the_pods_zone() -> None:
    made = manifests.storage_class()
    assert made["metadata"]["name"] == STACK.storage_class
    assert made["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert made["volumeBindingMode"] == "WaitForFirstConsumer"


def test_one_replica_has_no_budget_that_would_hold_its_node() -> None:
    assert "podDisruptionBudget" not in values.metrics_server(platform(replicas=1))
    assert values.metrics_server(platform())["podDisruptionBudget"]["minAvailable"] == 1
