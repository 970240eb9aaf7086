"""Alerts fire when they should and only then: the rules in Prometheus' own engine (promtool test rules)."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.unit.test_platform_alerts import STACKS, expressions, rule_groups, rules

NS = 'namespace="llmserve"'
ENGINES = {
    "chat-v1": "vllm:num_requests_running",
    "chat-v2": "vllm:num_requests_running",
    "summary-tgi": "tgi_batch_current_size",
    "every-sglang": "sglang:num_running_reqs",
    "every-trt": "trtllm_kv_cache_utilization",
}
"""Workload -> a metric its engine always has."""
MINUTES = 400
"""Minutes of every series, one sample a minute: a little over the longest window, 6 h."""


def of(workload: str) -> str:
    model, version = workload.split("-")
    return f'{NS},llmserve_dev_model="{model}",llmserve_dev_version="{version}",pod="{workload}-0"'


def up(name: str, workload: str) -> str:
    labels = f'app_kubernetes_io_name="{name}",app_kubernetes_io_instance="{workload}"'
    return f'up{{{NS},{labels},pod="{workload}-0"}}'


def success(backend: str) -> str:
    return f'litellm_deployment_success_responses_total{{{NS},model_id="{backend}"}}'


def failure(backend: str, kind: str = "InternalServerError") -> str:
    labels = f'model_id="{backend}",exception_class="{kind}"'
    return f"litellm_deployment_failure_responses_total{{{NS},{labels}}}"


def first_token(backend: str, seconds: str) -> str:
    return f'vllm:time_to_first_token_seconds_bucket{{{of(backend)},le="{seconds}"}}'


GPU = f'{{{NS},pod="chat-v1-0",gpu="0"}}'
HEALTHY: dict[str, str] = {
    up("gateway", "gateway"): "1x",
    **{up("engine", workload): "1x" for workload in (*ENGINES, "every-ollama")},
    **{f"{metric}{{{of(workload)}}}": "0.4x" for workload, metric in ENGINES.items()},
    f'kube_deployment_status_replicas_available{{{NS},deployment="chat-v1"}}': "1x",
    f"DCGM_FI_DEV_GPU_UTIL{GPU}": "40x",
    f"DCGM_FI_DEV_XID_ERRORS{GPU}": "0x",
    success("chat-v1"): "0+60x",
    success("openai-openai"): "0+60x",
}
CASES: dict[str, tuple[dict[str, str | None], dict[str, int]]] = {
    "nothing is wrong": ({}, {}),
    "1 % of tries fail, budget 0.5 %": ({failure("chat-v1"): "0+0.6x"}, {}),
    "one in ten fails": ({failure("chat-v1"): "0+6x"}, {"LlmserveErrors": 1, "LlmserveErrorBudget": 2}),
    "4 % fail: slow loss of the budget": ({failure("chat-v1"): "0+2.5x"}, {"LlmserveErrorBudget": 1}),
    "everything fails and nothing ever succeeded": (
        {success("chat-v1"): None, failure("chat-v1"): "0+6x"},
        {"LlmserveErrors": 1, "LlmserveManyErrors": 1, "LlmserveErrorBudget": 2},
    ),
    "everything fails, 15 tries in 10 minutes": (
        {success("chat-v1"): None, failure("chat-v1"): "0+1.5x"},
        {"LlmserveErrorBudget": 2},
    ),
    "failures that are the client's": (
        {failure("chat-v1", "litellm.ContextWindowExceededError"): "0+60x"},
        {},
    ),
    "a failed try a quarter of an hour": (
        {success("chat-v1"): None, failure("chat-v1"): "0+0.06x"},
        {"LlmserveErrorBudget": 1},  # more than 20 in 6 hours, but too few in any shorter window
    ),
    "a standby version that fails its smoke tests only": ({failure("chat-v2"): "0+0.02x"}, {}),
    "60 requests wait": ({f"vllm:num_requests_waiting{{{of('chat-v1')}}}": "60x"}, {"LlmserveQueue": 1}),
    "40 requests wait": ({f"vllm:num_requests_waiting{{{of('chat-v1')}}}": "40x"}, {}),
    "one of two pods has a full cache": (
        {
            f"vllm:kv_cache_usage_perc{{{of('chat-v1')}}}": "1x",
            f"vllm:kv_cache_usage_perc{{{of('chat-v1').replace('-0', '-1')}}}": "0.3x",
        },
        {},
    ),
    "all pods have a full cache": (
        {f"vllm:kv_cache_usage_perc{{{of('chat-v1')}}}": "1x"},
        {"LlmserveKvCacheFull": 1},
    ),
    "first tokens take over 2 s, 2 are promised": (
        {first_token("chat-v1", "2.0"): "0+1x", first_token("chat-v1", "5.0"): "0+100x"}
        | {first_token("chat-v1", "+Inf"): "0+100x"},
        {"LlmserveSlowFirstToken": 1},
    ),
    "first tokens take under 2 s": (
        {first_token("chat-v1", "2.0"): "0+99x", first_token("chat-v1", "+Inf"): "0+100x"},
        {},
    ),
    "nobody asks, so there is no latency": (
        {first_token("chat-v1", "2.0"): "5x", first_token("chat-v1", "+Inf"): "5x"},
        {},
    ),
    "a version is not scraped": ({up("engine", "chat-v2"): "0x"}, {"LlmserveEngineUnseen": 1}),
    "a version is not there at all": ({up("engine", "chat-v2"): None}, {"LlmserveEngineUnseen": 1}),
    "an engine renamed its metric": (
        {f"vllm:num_requests_running{{{of('chat-v2')}}}": None},
        {"LlmserveMetricMissing": 1},
    ),
    "the gateway is not scraped": ({up("gateway", "gateway"): None}, {"LlmserveGatewayUnseen": 1}),
    "no pod is available": (
        {f'kube_deployment_status_replicas_available{{{NS},deployment="chat-v1"}}': "0x"},
        {"LlmserveNoReplica": 1},
    ),
    "no GPU is measured": ({f"DCGM_FI_DEV_GPU_UTIL{GPU}": None}, {"LlmserveGpuUnseen": 1}),
    "a GPU reported an XID in the last minutes": (
        {f"DCGM_FI_DEV_XID_ERRORS{GPU}": f"0x{MINUTES - 5} 79x"},
        {"LlmserveGpuFault": 1},
    ),
    "an old XID": ({f"DCGM_FI_DEV_XID_ERRORS{GPU}": "79x"}, {}),
    "a GPU does nothing": ({f"DCGM_FI_DEV_GPU_UTIL{GPU}": "0x"}, {"LlmserveGpuIdle": 1}),
    "45 of 50 USD are spent": (
        {f'litellm_spend_metric_total{{{NS},model_id="openai-openai"}}': "0+0.1125x"},
        {"LlmserveBudget": 1},
    ),
    "30 of 50 USD are spent": (
        {f'litellm_spend_metric_total{{{NS},model_id="openai-openai"}}': "0+0.075x"},
        {},
    ),
    "the same trouble in another stack's namespace": (
        {failure("chat-v1").replace("llmserve", "other", 1): "0+60x"},
        {},
    ),
}


def scenario(case: str) -> dict[str, Any]:
    """A test of `promtool test rules`: healthy series as the case changes them, alerts firing at the end."""
    changes, firing = CASES[case]
    series = {name: values for name, values in (HEALTHY | changes).items() if values is not None}
    return {
        "name": case,
        "interval": "1m",
        "input_series": [
            {"series": name, "values": f"{values}{MINUTES}" if values.endswith("x") else values}
            for name, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": count} for name, count in firing.items()
                ],
            }
        ],
    }


def test_in_every_case_exactly_the_right_alerts_fire(programs: Path, tmp_path: Path) -> None:
    """All cases in one run, since starting promtool takes longer than a case; a failure names its case."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": rule_groups("every-engine")}), "utf-8")
    tests = [scenario(case) for case in CASES]
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "10m", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content), "utf-8")
    answer = subprocess.run(
        [programs / "promtool", "test", "rules", "test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_each_alert_fires_in_a_case_and_a_case_without_alerts_is_beside_it() -> None:
    fired = {name for _, firing in CASES.values() for name in firing}
    assert fired == set(rules("every-engine")) - {"LlmserveSlowTokens"}, "it is LlmserveSlowFirstToken's twin"
    assert sum(not firing for _, firing in CASES.values()) >= 10


def test_promtool_reads_every_rule_and_every_query_of_the_dashboards(programs: Path, tmp_path: Path) -> None:
    every: list[dict[str, Any]] = []
    for stack in STACKS:
        every += [{**group, "name": f"{stack}-{group['name']}"} for group in rule_groups(stack)]
        shown = [{"record": f"panel_{number}", "expr": e} for number, e in enumerate(expressions(stack))]
        every.append({"name": f"{stack}-dashboard", "rules": shown})
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": every}), encoding="utf-8")
    answer = subprocess.run(
        [programs / "promtool", "check", "rules", "--lint=none", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "SUCCESS" in answer.stdout
