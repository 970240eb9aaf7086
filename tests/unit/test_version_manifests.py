"""The manifests of a version: golden files per engine, exact rules, and what holds for any version."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given

from components import naming
from components.serving.manifests import version_manifests
from components.serving.scaling import scaling_spec
from components.spec import CacheVolume, EngineName, Manifest, SecretKey, VersionSpec
from tests.snapshot import assert_snapshot
from tests.unit.strategies import ENGINES, engine_spec, version_spec, version_specs


def example(engine: EngineName) -> VersionSpec:
    """One version per engine; between them every branch of the manifests is taken."""
    spec = engine_spec(engine, max_num_seqs=32, max_model_len=8192)
    keda: dict[str, Any] = {"via": "keda", "prometheus_url": "http://prometheus.monitoring:9090"}
    scale: dict[str, Any] = {"preset": "queue", "engine": spec, "min_replicas": 2, "max_replicas": 6}
    match engine:
        case "vllm":
            token = SecretKey(name="model-token-hf-token", key="token")
            scaling = scaling_spec(**scale, via="hpa", targets={})
            return version_spec(spec, replicas=None, scaling=scaling, model_token=token)
        case "sglang":
            scaling = scaling_spec(**scale, **keda, targets={})
            return version_spec(spec, replicas=None, scaling=scaling, surge=False)
        case "tensorrt-llm":
            return version_spec(spec, cache=CacheVolume(kind="pvc", size_gib=200, storage_class="efs"))
        case "ollama":
            tag = spec.model_copy(update={"model": "qwen3:4b"})
            return version_spec(tag, replicas=1, cache=CacheVolume(kind="host_path", host_path="/mnt/cache"))
        case "tgi":
            return version_spec(spec)


def pod(manifests: dict[str, Manifest]) -> dict[str, Any]:
    template: dict[str, Any] = manifests["deployment"]["spec"]["template"]
    return template["spec"]  # type: ignore[no-any-return]


def engine_container(manifests: dict[str, Manifest]) -> dict[str, Any]:
    return pod(manifests)["containers"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("engine", ENGINES)
def test_manifests_are_those_of_the_golden_file(engine: EngineName) -> None:
    manifests = version_manifests(example(engine))
    plain = json.loads(json.dumps(list(manifests.values())))  # shared parts are written out, not anchored
    text = yaml.safe_dump_all(plain, sort_keys=False, width=110)
    assert_snapshot(f"versions/{engine}.yaml", text)


@pytest.mark.parametrize(
    ("engine", "keys"),
    [
        ("vllm", "service-account network-policy service disruption-budget deployment scaler"),
        ("tgi", "service-account network-policy service disruption-budget deployment"),
        ("tensorrt-llm", "service-account config cache network-policy service disruption-budget deployment"),
    ],
)
def test_what_a_pod_needs_is_made_before_it(engine: EngineName, keys: str) -> None:
    assert list(version_manifests(example(engine))) == keys.split()


def test_a_scaler_owns_the_count_or_the_deployment_does() -> None:
    scaled, fixed = version_manifests(example("vllm")), version_manifests(example("tgi"))
    assert "replicas" not in scaled["deployment"]["spec"]
    assert scaled["scaler"]["spec"]["minReplicas"] == 2
    assert fixed["deployment"]["spec"]["replicas"] == 2
    assert "scaler" not in fixed


@pytest.mark.parametrize(
    ("surge", "rolling"),
    [(True, {"maxSurge": 1, "maxUnavailable": 0}), (False, {"maxSurge": 0, "maxUnavailable": 1})],
)
def test_a_roll_takes_a_spare_gpu_or_takes_a_pod_away_first(surge: bool, rolling: dict[str, int]) -> None:
    strategy = version_manifests(version_spec(surge=surge))["deployment"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": rolling}


@pytest.mark.parametrize(("replicas", "budget"), [(1, {"maxUnavailable": 1}), (2, {"minAvailable": 1})])
def test_a_drain_leaves_one_of_several_pods_and_can_always_end(replicas: int, budget: dict[str, int]) -> None:
    spec = version_manifests(version_spec(replicas=replicas))["disruption-budget"]["spec"]
    assert {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec} == budget
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_slow_start_is_never_killed_before_its_budget_ends() -> None:
    manifests = version_manifests(version_spec(startup_seconds=905))
    startup = engine_container(manifests)["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 910
    assert manifests["deployment"]["spec"]["progressDeadlineSeconds"] == 905 + 75 + 600
    assert manifests["deployment"]["metadata"]["annotations"] == {"pulumi.com/timeoutSeconds": "2620"}


def test_grace_is_prestop_then_drain_then_margin() -> None:
    manifests = version_manifests(
        version_spec(engine_spec(drain_seconds=45), prestop_seconds=15, margin_seconds=15)
    )
    assert pod(manifests)["terminationGracePeriodSeconds"] == 75
    assert engine_container(manifests)["lifecycle"] == {"preStop": {"sleep": {"seconds": 15}}}
    assert "lifecycle" not in engine_container(version_manifests(version_spec(prestop_seconds=0)))


def test_an_engine_that_stops_at_once_gets_its_signal_after_the_drain() -> None:
    manifests = version_manifests(version_spec(engine_spec("ollama", drain_seconds=45), prestop_seconds=15))
    assert engine_container(manifests)["lifecycle"] == {"preStop": {"sleep": {"seconds": 60}}}
    assert pod(manifests)["terminationGracePeriodSeconds"] == 75


def test_the_token_for_gated_weights_comes_from_its_secret_and_goes_nowhere_without_one() -> None:
    source = {"secretKeyRef": {"name": "model-token-hf-token", "key": "token"}}
    token = {"name": "HF_TOKEN", "valueFrom": source}
    assert token in engine_container(version_manifests(example("vllm")))["env"]
    assert "HF_TOKEN" not in str(version_manifests(example("tgi")))


def test_only_the_gateway_and_monitoring_reach_an_engine() -> None:
    spec = version_manifests(version_spec())["network-policy"]["spec"]
    callers = [
        {"podSelector": {"matchLabels": naming.selector("gateway", "gateway")}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
        {"podSelector": {"matchLabels": naming.selector("prometheus", "prometheus")}},
    ]
    assert spec["ingress"] == [{"from": callers, "ports": [{"protocol": "TCP", "port": "http"}]}]


def test_the_pod_identity_agent_is_reachable_only_where_weights_lie_in_s3() -> None:
    agent = {"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": [{"protocol": "TCP", "port": 80}]}
    s3 = version_spec(engine_spec(model="s3://bucket/weights/"))
    assert agent in version_manifests(s3)["network-policy"]["spec"]["egress"]
    assert agent not in version_manifests(version_spec())["network-policy"]["spec"]["egress"]


def test_scraping_follows_the_engines_own_path_and_is_off_without_metrics() -> None:
    annotations = version_manifests(example("tensorrt-llm"))["deployment"]["spec"]["template"]["metadata"]
    assert annotations["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/path": "/prometheus/metrics",
        "prometheus.io/port": "8000",
    }
    ollama = version_manifests(example("ollama"))["deployment"]["spec"]["template"]["metadata"]
    assert "annotations" not in ollama


def test_a_changed_config_file_gets_a_new_name_and_the_pod_mounts_it() -> None:
    def config(length: float) -> str:
        manifests = version_manifests(
            version_spec(engine_spec("tensorrt-llm", gpu_memory_utilization=length))
        )
        mounted = [v["configMap"]["name"] for v in pod(manifests)["volumes"] if v["name"] == "config"]
        assert mounted == [manifests["config"]["metadata"]["name"]]
        return mounted[0]  # type: ignore[no-any-return]

    assert config(0.8) == config(0.8)
    assert config(0.8) != config(0.9)


def test_a_pod_without_gpu_tolerates_no_gpu_node_and_may_not_write_its_root() -> None:
    resources = version_spec().resources.model_copy(update={"gpus": 0})
    manifests = version_manifests(version_spec(engine_spec("ollama"), resources=resources))
    assert "tolerations" not in pod(manifests)
    assert engine_container(manifests)["securityContext"]["readOnlyRootFilesystem"] is True
    assert naming.GPU_RESOURCE not in str(manifests["deployment"])


@given(spec=version_specs())
def test_names_fit_and_every_object_is_the_versions_own(spec: VersionSpec) -> None:
    for manifest in version_manifests(spec).values():
        name = manifest["metadata"]["name"]
        assert naming.is_name(name)
        assert name == spec.name or name.startswith(f"{spec.name}-")
        assert manifest["metadata"]["namespace"] == spec.namespace
        labels = manifest["metadata"]["labels"]
        assert naming.selector("engine", spec.name).items() <= labels.items()


@given(spec=version_specs())
def test_every_selector_finds_the_pods(spec: VersionSpec) -> None:
    manifests = version_manifests(spec)
    labels = manifests["deployment"]["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        manifests["deployment"]["spec"]["selector"]["matchLabels"],
        manifests["service"]["spec"]["selector"],
        manifests["disruption-budget"]["spec"]["selector"]["matchLabels"],
        manifests["network-policy"]["spec"]["podSelector"]["matchLabels"],
        *(t["labelSelector"]["matchLabels"] for t in pod(manifests)["topologySpreadConstraints"]),
    ]
    assert all(selector.items() <= labels for selector in selectors)
    ports = {port["name"] for port in engine_container(manifests)["ports"]}
    assert ports == {manifests["service"]["spec"]["ports"][0]["targetPort"]} == {"http"}


@given(spec=version_specs())
def test_a_pod_has_time_to_leave_and_room_to_live(spec: VersionSpec) -> None:
    manifests = version_manifests(spec)
    assert pod(manifests)["terminationGracePeriodSeconds"] >= spec.prestop_seconds + spec.engine.drain_seconds
    startup = engine_container(manifests)["startupProbe"]
    assert startup["failureThreshold"] == math.ceil(spec.startup_seconds / 10)
    deployment = manifests["deployment"]
    deadline = deployment["spec"]["progressDeadlineSeconds"]
    assert spec.startup_seconds < deadline
    assert deadline < int(deployment["metadata"]["annotations"]["pulumi.com/timeoutSeconds"])


@given(spec=version_specs())
def test_requests_equal_limits_for_memory_and_gpus_are_those_of_the_spec(spec: VersionSpec) -> None:
    manifests = version_manifests(spec)
    for container in (*pod(manifests)["containers"], *pod(manifests).get("initContainers", ())):
        resources = container["resources"]
        assert resources["limits"].items() <= resources["requests"].items()
        gpus = "0" if container["name"] == "weights" else str(spec.engine.gpus)
        assert resources["limits"].get(naming.GPU_RESOURCE, "0") == gpus


@given(spec=version_specs())
def test_no_container_has_more_rights_than_it_needs(spec: VersionSpec) -> None:
    manifests = version_manifests(spec)
    inside = pod(manifests)
    assert inside["securityContext"]["runAsNonRoot"] is True
    assert inside["securityContext"]["runAsUser"] > 0
    assert inside["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside["enableServiceLinks"] is inside["automountServiceAccountToken"] is False
    for container in (*inside["containers"], *inside.get("initContainers", ())):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in inside["volumes"]}, "no volume is unused or missing"
