"""Autoscaling: what presets follow on each engine, and the manifests made from it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving.scaling import SERIES, scaling_spec
from components.serving.scaling_manifests import hpa, scaled_object, scaler
from components.spec import EngineName, ScalingSpec
from tests.unit.strategies import engine_spec, engine_specs, scaling_specs

PROMETHEUS = "http://prometheus.monitoring:9090"
MATCHERS = 'namespace="llmserve",app_kubernetes_io_instance="chat-v1"'


def scaling(engine: EngineName = "vllm", **fields: Any) -> ScalingSpec:
    max_num_seqs = fields.pop("max_num_seqs", 32)
    plain: dict[str, Any] = {
        "preset": "queue",
        "engine": engine_spec(engine, max_num_seqs=max_num_seqs),
        "min_replicas": 2,
        "max_replicas": 10,
        "via": "hpa",
        "targets": {},
        "prometheus_url": PROMETHEUS,
    }
    return scaling_spec(**(plain | fields))


def signals(spec: ScalingSpec) -> dict[str, float]:
    return {metric.name: metric.target for metric in spec.metrics}


def test_the_textbook_preset_has_the_source_documents_numbers() -> None:
    spec = scaling(preset="textbook")
    assert signals(spec) == {"cpu": 70, "vllm_num_requests_waiting": 30}
    assert spec.up.model_dump() == {
        "stabilization_seconds": 120,
        "pods": 2,
        "percent": None,
        "period_seconds": 60,
    }
    assert spec.down.model_dump() == {
        "stabilization_seconds": 300,
        "pods": 1,
        "percent": None,
        "period_seconds": 120,
    }


@pytest.mark.parametrize(
    ("engine", "followed"),
    [
        (
            "vllm",
            {
                "vllm_num_requests_waiting": 5,
                "vllm_num_requests_running": 22.4,
                "vllm_kv_cache_usage_perc": 0.6,
            },
        ),
        ("tgi", {"tgi_queue_size": 5, "tgi_batch_current_size": 22.4}),
        ("sglang", {"sglang_num_queue_reqs": 5, "sglang_num_running_reqs": 22.4, "sglang_token_usage": 0.6}),
        ("tensorrt-llm", {"trtllm_kv_cache_utilization": 0.6}),
        ("ollama", {"cpu": 70}),
    ],
)
def test_the_queue_preset_follows_what_the_engine_measures_and_cpu_if_that_is_nothing(
    engine: EngineName, followed: dict[str, float]
) -> None:
    assert signals(scaling(engine)) == pytest.approx(followed)


def test_the_share_of_running_requests_needs_to_know_how_many_can_run() -> None:
    assert "vllm_num_requests_running" not in signals(scaling(max_num_seqs=None))
    with pytest.raises(ValueError, match=r"vllm gives no metric for running_share without max_num_seqs"):
        scaling(max_num_seqs=None, targets={"running_share": 0.5})


def test_the_slo_preset_follows_the_worst_of_both_promises() -> None:
    spec = scaling(preset="slo", ttft_seconds=1.5, tpot_seconds=0.08)
    (metric,) = spec.metrics
    assert (metric.kind, metric.name, metric.target) == ("external", "llmserve_slo_pressure", 0.5)
    assert metric.query is not None
    assert "rate(vllm:time_to_first_token_seconds_bucket{$series}[2m]))) / 1.5" in metric.query
    assert "rate(vllm:request_time_per_output_token_seconds_bucket{$series}[2m]))) / 0.08" in metric.query
    assert metric.query.endswith(">= 0 or 0 * sum(vllm:num_requests_running{$series}), 2)"), (
        "idle, not unknown"
    )
    assert "vector(0)" not in metric.query, "it would hide a dead Prometheus"
    assert (spec.up.pods, spec.up.percent) == (4, 100)


@pytest.mark.parametrize(
    ("engine", "fields", "message"),
    [
        (
            "vllm",
            {"targets": {"waiting_request": 5}},
            "target 'waiting_request' is unknown; did you mean waiting_requests?",
        ),
        ("vllm", {"targets": {"waiting_requests": 0}}, "target waiting_requests is 0; it must be above 0"),
        ("ollama", {"targets": {"waiting_requests": 5}}, "ollama gives no metric for waiting_requests"),
        ("vllm", {"preset": "slo"}, "preset slo follows the model's objectives: add objectives"),
        (
            "ollama",
            {"preset": "slo", "ttft_seconds": 1, "tpot_seconds": 1},
            "ollama measures no latency; use preset queue or textbook",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    engine: EngineName, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scaling(engine, **fields)


def test_a_target_takes_the_place_of_the_presets_number_or_adds_a_signal() -> None:
    spec = scaling(targets={"waiting_requests": 8, "cpu_percent": 55})
    assert signals(spec)["vllm_num_requests_waiting"] == 8
    assert signals(spec)["cpu"] == 55


def test_the_hpa_says_all_it_does() -> None:
    manifest = hpa("chat-v1", "llmserve", {"a": "b"}, scaling(preset="textbook"))
    assert manifest == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat-v1", "namespace": "llmserve", "labels": {"a": "b"}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-v1"},
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                },
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "vllm_num_requests_waiting"},
                        "target": {"type": "AverageValue", "averageValue": "30"},
                    },
                },
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 120,
                    "selectPolicy": "Max",
                    "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 300,
                    "selectPolicy": "Min",
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
                },
            },
        },
    }


def test_an_external_metric_is_compared_whole_and_asked_for_this_workload() -> None:
    spec = scaling(preset="slo", ttft_seconds=1.5, tpot_seconds=0.08)
    (metric,) = hpa("chat-v1", "llmserve", {}, spec)["spec"]["metrics"]
    assert metric == {
        "type": "External",
        "external": {
            "metric": {
                "name": "llmserve_slo_pressure",
                "selector": {"matchLabels": {"workload": "chat-v1"}},
            },
            "target": {"type": "Value", "value": "500m"},
        },
    }
    policies = hpa("chat-v1", "llmserve", {}, spec)["spec"]["behavior"]["scaleUp"]["policies"]
    assert [(p["type"], p["value"]) for p in policies] == [("Pods", 4), ("Percent", 100)]


def test_keda_asks_prometheus_and_holds_the_count_when_it_is_dead() -> None:
    manifest = scaled_object("chat-v1", "llmserve", {}, scaling(via="keda", targets={"cpu_percent": 70}))
    spec = manifest["spec"]
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (15, 300)
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 10)
    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": 2,
        "behavior": "currentReplicasIfHigher",
    }
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "chat-v1"
    assert spec["triggers"][0] == {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": PROMETHEUS,
            "query": f"sum(vllm:num_requests_waiting{{{MATCHERS}}})",
            "threshold": "5",
            "ignoreNullValues": "false",
        },
    }
    assert spec["triggers"][-1] == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}


def test_keda_never_divides_a_latency_by_the_number_of_pods() -> None:
    spec = scaling(via="keda", preset="slo", ttft_seconds=1.5, tpot_seconds=0.08)
    (trigger,) = scaled_object("chat-v1", "llmserve", {}, spec)["spec"]["triggers"]
    assert trigger["metricType"] == "Value"


def test_keda_has_no_fallback_for_cpu_alone_since_it_refuses_one() -> None:
    assert "fallback" not in scaled_object("x", "llmserve", {}, scaling("ollama", via="keda"))["spec"]


def test_keda_without_an_address_of_prometheus_is_refused() -> None:
    with pytest.raises(ValueError, match="KEDA needs a Prometheus address"):
        scaled_object("x", "llmserve", {}, scaling(via="keda", prometheus_url=None))


@given(data=st.data())
def test_any_autoscaler_renders_whole(data: st.DataObject) -> None:
    spec = data.draw(scaling_specs(data.draw(engine_specs())))
    manifest = scaler("chat-v1", "llmserve", {}, spec)
    assert manifest["kind"] == {"hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}[spec.via]
    assert len(manifest["spec"].get("metrics", manifest["spec"].get("triggers"))) == len(spec.metrics) > 0
    assert spec.min <= spec.max
    assert SERIES not in str(manifest), "every query names its workload"
