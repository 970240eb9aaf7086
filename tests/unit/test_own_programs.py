"""Prometheus and Redis of our own: golden files, exact rules, and what the laptop changes of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import naming
from components.prometheus_manifests import prometheus_manifests
from components.redis_manifests import accounts_document, redis_manifests
from components.spec import Manifest, PrometheusSpec, RecordingRule, RedisSpec, Resources
from infra.checking import check_settings
from infra.resolve import prometheus_url, version_specs
from infra.resolve_platform import prometheus_spec, redis_spec
from infra.stackfile.stack import StackSettings
from local import vllm_router
from local.prometheus import localized
from tests.snapshot import assert_snapshot
from tests.stack_files import valid, with_value

RESOURCES = Resources(cpu_millicores=250, memory_mib=1024, memory_limit_mib=1024)


def prometheus(**changes: Any) -> PrometheusSpec:
    fields: dict[str, Any] = {
        "namespace": "llmserve",
        "image": "quay.io/prometheus/prometheus:v3.14.0",
        "scrape_interval_seconds": 15,
        "retention_hours": 24,
        "storage_gib": 20,
        "storage_class": "gp3",
        "resources": RESOURCES,
        "readers": ("monitoring", "keda"),
        "rules": (RecordingRule(name="pressure", query="max(x)", labels={"workload": "chat-v1"}),),
    }
    return PrometheusSpec(**fields | changes)


def redis() -> RedisSpec:
    return RedisSpec(
        namespace="llmserve",
        image="docker.io/library/redis:7.4",
        resources=RESOURCES.model_copy(update={"memory_mib": 256, "memory_limit_mib": 256}),
        storage_gib=1,
        storage_class=None,
        gateway_labels=naming.selector("gateway", "gateway"),
    )


def golden(name: str, manifests: dict[str, Manifest]) -> None:
    plain = json.loads(json.dumps(list(manifests.values())))
    assert_snapshot(name, yaml.safe_dump_all(plain, sort_keys=False, width=110))


def settings(raw: dict[str, Any]) -> StackSettings:
    found, _ = check_settings(raw)
    assert found is not None
    return found


def test_manifests_are_those_of_the_golden_files() -> None:
    golden("own/prometheus.yaml", prometheus_manifests(prometheus()))
    golden("own/redis.yaml", redis_manifests(redis()))


def test_prometheus_keeps_nothing_without_storage() -> None:
    made = prometheus_manifests(prometheus(storage_gib=None))
    assert "data" not in made
    volumes = made["deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volumes[1] == {"name": "data", "emptyDir": {"sizeLimit": "10Gi"}}


def test_a_changed_rule_is_a_config_map_of_another_name_and_so_a_rollout() -> None:
    one, two = prometheus_manifests(prometheus()), prometheus_manifests(prometheus(rules=()))
    assert one["config"]["metadata"]["name"] != two["config"]["metadata"]["name"]
    assert yaml.safe_load(two["config"]["data"]["rules.yml"]) == {"groups": []}


def test_the_accounts_of_redis_hold_the_hash_of_the_password_only() -> None:
    # printf %s secret | sha256sum
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    assert accounts_document("secret") == f"user default on #{digest} ~* &* +@all\n"


def test_the_slo_preset_of_a_native_autoscaler_gets_a_recording_rule() -> None:
    raw = with_value("observability.prometheus", {}, with_value("models.chat.scaling", {"min": 1, "max": 2}))
    raw["models"]["chat"]["scaling"]["preset"] = "slo"
    raw["models"]["chat"]["objectives"] = {"ttft_p95_seconds": 1, "tpot_p95_seconds": 0.1}
    found = settings(raw)
    made = prometheus_spec(found, version_specs(found))
    assert made
    assert [rule.labels for rule in made.rules] == [
        {"namespace": "llmserve", "workload": "chat-v1"},
        {"namespace": "llmserve", "workload": "chat-v2"},
    ]
    assert {rule.name for rule in made.rules} == {"llmserve_slo_pressure"}
    assert 'namespace="llmserve",app_kubernetes_io_instance="chat-v1"' in made.rules[0].query


def test_keda_asks_our_own_prometheus_where_the_cluster_has_none() -> None:
    raw = with_value("models.chat.scaling", {"max": 2, "via": "keda"})
    raw["observability"] = {"prometheus": {}}
    found = settings(raw)
    assert prometheus_url(found) == "http://prometheus.llmserve.svc:9090"
    scaling = version_specs(found)[0].scaling
    assert scaling
    assert scaling.prometheus_url == "http://prometheus.llmserve.svc:9090"


@pytest.mark.parametrize("redis", [None, {"host": "redis.example.com"}])
def test_a_stack_has_no_redis_of_its_own_unless_asked(redis: dict[str, Any] | None) -> None:
    raw = with_value("gateway.redis", redis) if redis else valid()
    assert redis_spec(settings(raw)) is None


def test_on_the_laptop_prometheus_asks_pods_at_their_loopback_addresses_and_nothing_else_changes() -> None:
    config = yaml.safe_load(prometheus_manifests(prometheus())["config"]["data"]["prometheus.yml"])
    changed = localized(config)
    (before,), (after,) = config["scrape_configs"], changed["scrape_configs"]
    assert after["relabel_configs"][:-1] == before["relabel_configs"]
    assert after["relabel_configs"][-1]["target_label"] == "__address__"
    assert {k: v for k, v in after.items() if k != "relabel_configs"} == {
        k: v for k, v in before.items() if k != "relabel_configs"
    }


@pytest.mark.parametrize(
    ("line", "local"),
    [
        (
            b'{"podIP":"198.18.4.7","podIPs":[{"ip":"198.18.4.7"}]}',
            b'{"podIP":"127.18.4.7","podIPs":[{"ip":"127.18.4.7"}]}',
        ),
        (b'{"podIP":"198.19.255.1"}', b'{"podIP":"127.19.255.1"}'),
        (b'{"podIP":"10.0.0.1","hostIP":"198.18.0.1"}', b'{"podIP":"10.0.0.1","hostIP":"198.18.0.1"}'),
        (b'{"note":"198.18.4.7"}', b'{"note":"198.18.4.7"}'),
    ],
)
def test_the_router_sees_the_pods_addresses_of_this_machine(line: bytes, local: bytes) -> None:
    assert vllm_router.localized(line) == local


def test_a_router_that_is_not_installed_says_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="`make up` installs it"):
        vllm_router.main([str(tmp_path / "vllm-router")])
