"""Platforms with everything on, and with as little as can be."""

from dataclasses import replace
from typing import Any

from components.platform.releases import ClusterNames
from components.platform.spec import AlertSpec, PlatformSpec, PrometheusStackSpec
from infra.checks_platform import check_platform
from infra.mistakes import parse
from infra.resolve_charts import ClusterFacts
from infra.stackfile.stack import StackSettings
from planner.finding import Severity
from tests.stack_files import stack_config, valid, with_value

NAMES = ClusterNames(
    cluster_name="prod", region="us-west-2", vpc_id="vpc-0123456789abcdef0", interruption_queue="prod-spot"
)
EKS = ClusterFacts(provisioned=True, autoscaler="cluster-autoscaler", addons=frozenset({"metrics-server"}))
"""A cluster of our own."""
ROCKETS = replace(EKS, own_plugin_pools=frozenset({"l4"}))
KARPENTER = replace(EKS, autoscaler="karpenter")
EXISTING = ClusterFacts(provisioned=False)

STACK = PrometheusStackSpec(
    retention_days=15,
    storage_gib=100,
    storage_class="gp3",
    replicas=2,
    cpu_millicores=1000,
    memory_mib=4096,
    grafana=True,
    own_alertmanager_config=True,
)
ALERTS = AlertSpec(
    error_percent=5,
    critical_error_percent=20,
    queue_requests=50,
    ttft_p95_seconds=2,
    availability_percent=99.5,
    min_requests=20,
    budget_percent=80,
    idle_gpu_hours=2,
)


def platform(**changes: Any) -> PlatformSpec:
    """Everything on, then changed."""
    everything: dict[str, Any] = {
        "models_namespace": "llmserve",
        "monitoring_namespace": "monitoring",
        "replicas": 2,
        "device_plugin": True,
        "pools_with_own_plugin": ("rockets",),
        "dcgm_exporter": True,
        "prometheus_stack": STACK,
        "monitors": True,
        "load_balancer_controller": True,
        "keda": True,
        "metrics_server": True,
        "autoscaler": "cluster-autoscaler",
        "external_secrets": True,
        "storage_class": True,
    }
    return PlatformSpec(**{**everything, **changes})


PLATFORMS = {
    "all": platform(),
    "karpenter": platform(autoscaler="karpenter"),
    "one-of-each": platform(replicas=1, pools_with_own_plugin=()),
    "plain-prometheus": platform(
        prometheus_stack=STACK.model_copy(
            update={"grafana": False, "own_alertmanager_config": False, "storage_class": None}
        )
    ),
}


def settings_of(raw: dict[str, Any]) -> StackSettings:
    """Settings without mistakes of shape."""
    settings, findings = parse(raw)
    assert settings is not None, findings
    assert findings == []
    return settings


def example_stacks() -> dict[str, StackSettings]:
    """The repository's own stack files, and one with every engine."""
    stacks = {name: settings_of(stack_config(name)) for name in ("local", "dev", "prod")}
    raw = valid()
    raw["models"]["every"] = {
        "versions": {
            "sglang": {"engine": "sglang", "model": "org/model", "pool": "l4", "max_model_len": 4096},
            "trt": {"engine": "tensorrt-llm", "model": "org/model", "pool": "l4", "max_model_len": 4096},
            "ollama": {"engine": "ollama", "model": "qwen3:4b", "pool": "l4", "max_model_len": 4096},
        },
        "traffic": {"sglang": 50, "trt": 30, "ollama": 20},
        "objectives": {"ttft_p95_seconds": 1.5, "tpot_p95_seconds": 0.08},
    }
    raw["models"]["openai"]["daily_budget_usd"] = 50
    return {**stacks, "every-engine": settings_of(raw)}


AWS = {"cluster_name": "c", "region": "us-west-2", "vpc_id": "vpc-0"}
ALB = {"hostname": "llm.example.com", "certificate_arn": "arn:aws:acm:us-west-2:111122223333:certificate/0"}


def with_platform(raw: dict[str, Any] | None = None, **platform: Any) -> dict[str, Any]:
    return with_value("platform", platform, raw)


def with_keda(**platform: Any) -> dict[str, Any]:
    return with_platform(with_value("models.chat.scaling", {"max": 2, "via": "keda"}), **platform)


def with_alb(**platform: Any) -> dict[str, Any]:
    return with_platform(with_value("gateway", {"ingress": ALB}), **platform)


def errors(raw: dict[str, Any], facts: ClusterFacts) -> dict[str, str]:
    found = check_platform(settings_of(raw), facts)
    return {f.path: f"{f.message}; {f.fix}" for f in found if f.severity is Severity.ERROR}
