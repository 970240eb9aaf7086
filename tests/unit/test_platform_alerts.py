"""Alerts ask for metrics that exist, by labels that are there. Prometheus reads them: tests/engine."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from components.engines import adapter
from components.gateway.metrics import LITELLM
from components.platform import queries
from components.platform.alerts import groups
from components.platform.dashboard import dashboard
from components.spec import EngineName
from infra.resolve import version_specs
from infra.resolve_gateway import gateway_spec
from tests.snapshot import assert_snapshot
from tests.stack_files import ROOT
from tests.unit.platform_examples import ALERTS, example_stacks

STACKS = example_stacks()
OBJECTIVES = {"every": (1.5, 0.08)}
FUNCTIONS = frozenset(
    {"absent", "changes", "count", "histogram_quantile", "increase", "max_over_time", "rate"}
    | {"avg", "max", "min", "sum", "by", "le", "on", "group_left"}
    | {"and", "or", "unless", "bool"}
)


def rule_groups(stack: str) -> list[dict[str, Any]]:
    settings = STACKS[stack]
    versions = version_specs(settings)
    return groups(versions, gateway_spec(settings), ALERTS, OBJECTIVES, gpu_metrics=True)


def rules(stack: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for group in rule_groups(stack):
        for rule in group["rules"]:
            if "alert" in rule:
                found.setdefault(rule["alert"], []).append(rule)
    return found


def expressions(stack: str) -> Iterator[str]:
    for group in rule_groups(stack):
        yield from (rule["expr"] for rule in group["rules"])
    board = dashboard(version_specs(STACKS[stack]), STACKS[stack].namespace)
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def known_metrics() -> set[str]:
    """Names of the tables: engines', gateway's, GPU's, kube-state-metrics', and Prometheus' own `up`."""
    engines = [adapter(engine).metrics.model_dump() for engine in get_args(EngineName)]
    found = {"up", queries.AVAILABLE, queries.GPU_BUSY, queries.GPU_MEMORY_USED, queries.GPU_MEMORY_FREE}
    found.add(queries.GPU_FAULT)
    for table in [*engines, LITELLM.model_dump()]:
        for kind, name in table.items():
            if name:
                found.add(f"{name}_bucket" if kind.endswith("histogram") else name)
    return found


def recorded(stack: str) -> set[str]:
    return {rule["record"] for group in rule_groups(stack) for rule in group["rules"] if "record" in rule}


def names_in(expression: str) -> set[str]:
    """Metric names: what is left without texts, matchers, label lists, windows, numbers and functions."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on|group_left)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*", bare)) - FUNCTIONS


@pytest.mark.parametrize("stack", STACKS)
def test_every_metric_asked_for_is_in_a_table(stack: str) -> None:
    asked = {name for expression in expressions(stack) for name in names_in(expression)}
    assert len(asked) > 8, "the reader finds names"
    assert asked <= known_metrics() | recorded(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_recorded_is_recorded_once_and_used(stack: str) -> None:
    names = [rule["record"] for group in rule_groups(stack) for rule in group["rules"] if "record" in rule]
    assert len(names) == len(set(names))
    asked = {name for made in rules(stack).values() for rule in made for name in names_in(rule["expr"])}
    assert recorded(stack) <= asked


def test_a_metric_that_is_in_no_table_is_found() -> None:
    assert names_in('sum by (a) (rate(vllm:gpu_cache_usage_perc{b="c"}[5m])) > 0.5') == {
        "vllm:gpu_cache_usage_perc"
    }


@pytest.mark.parametrize("stack", STACKS)
def test_every_selector_stays_in_the_stacks_namespace(stack: str) -> None:
    namespace = f'namespace="{STACKS[stack].namespace}"'
    for expression in expressions(stack):
        selectors = re.findall(r"[\w:]+\{([^}]*)\}", expression)
        assert selectors, expression
        assert all(selector.startswith(namespace) for selector in selectors), expression


@pytest.mark.parametrize("stack", STACKS)
def test_parentheses_are_balanced(stack: str) -> None:
    for expression in expressions(stack):
        depth = 0
        for sign in re.sub(r'"[^"]*"', "", expression):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            assert depth >= 0, expression
        assert depth == 0, expression


def test_every_subject_that_operations_asks_for_has_an_alert() -> None:
    names = set(rules("every-engine"))
    assert {
        "LlmserveErrors",
        "LlmserveManyErrors",
        "LlmserveErrorBudget",
        "LlmserveSlowFirstToken",
        "LlmserveSlowTokens",
        "LlmserveQueue",
        "LlmserveKvCacheFull",
        "LlmserveNoReplica",
        "LlmserveGatewayUnseen",
        "LlmserveEngineUnseen",
        "LlmserveMetricMissing",
        "LlmserveGpuUnseen",
        "LlmserveGpuFault",
        "LlmserveGpuIdle",
        "LlmserveBudget",
    } == names


def test_every_alert_is_explained_where_its_runbook_points() -> None:
    page = (ROOT / "docs/platform.md").read_text(encoding="utf-8")
    anchors = {match.lower() for match in re.findall(r"^#+ (\S+)$", page, re.MULTILINE)}
    for name, made in rules("every-engine").items():
        for rule in made:
            where, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert where == "docs/platform.md"
            assert anchor == name.lower()
        assert name.lower() in anchors, f"docs/platform.md explains {name}"


def test_the_budgets_even_rate_times_the_factor_is_the_limit_of_both_windows() -> None:
    (critical, warning) = [
        rule for rule in rules("every-engine")["LlmserveErrorBudget"] if rule["labels"]["model"] == "every"
    ]
    assert critical["labels"]["severity"] == "critical"
    assert critical["expr"].count("> 0.072 ") == 2, "14.4 times 0.5 %"
    assert set(re.findall(r"rate(\w+)", critical["expr"])) == {"60m", "5m"}
    assert warning["expr"].count("> 0.03 ") == 2, "6 times 0.5 %"
    assert set(re.findall(r"rate(\w+)", warning["expr"])) == {"360m", "30m"}
    assert 'model_id=~"every-sglang|every-trt|every-ollama"' in critical["expr"]


def test_a_model_with_objectives_is_held_to_them_and_another_to_the_general_limit() -> None:
    limits = {
        match[1]: float(rule["expr"].rsplit("> ", 1)[1])
        for rule in rules("every-engine")["LlmserveSlowFirstToken"]
        if (match := re.search(r'llmserve_dev_model="(\w+)"', rule["expr"]))
    }
    assert limits == {"chat": 2.0, "every": 1.5}, "summary's engine measures no first token"
    (tokens,) = rules("every-engine")["LlmserveSlowTokens"]
    assert tokens["expr"].endswith("> 0.08")


def test_engines_without_metrics_raise_no_alarm_for_having_none() -> None:
    unseen = [rule["labels"]["version"] for rule in rules("every-engine")["LlmserveEngineUnseen"]]
    assert unseen == ["v1", "v2", "tgi", "sglang", "trt"]


def test_a_start_that_takes_its_whole_budget_is_not_reported_as_a_loss() -> None:
    for stack, settings in STACKS.items():
        seconds = {spec.name: spec.startup_seconds for spec in version_specs(settings)}
        for rule in rules(stack).get("LlmserveEngineUnseen", []):
            name = f"{rule['labels']['model']}-{rule['labels']['version']}"
            assert int(rule["for"].removesuffix("s")) > seconds[name]


def test_without_gpu_metrics_no_rule_waits_for_them() -> None:
    settings = STACKS["prod"]
    without = groups(version_specs(settings), gateway_spec(settings), ALERTS, {}, gpu_metrics=False)
    assert "DCGM" not in json.dumps(without)


def test_the_rules_are_as_recorded() -> None:
    text = yaml.safe_dump({"groups": rule_groups("every-engine")}, sort_keys=False, width=1000)
    assert_snapshot("platform/alerts.yaml", text)


def test_the_dashboard_is_as_recorded_and_its_panels_do_not_overlap() -> None:
    settings = STACKS["every-engine"]
    board = dashboard(version_specs(settings), settings.namespace)
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert_snapshot("platform/dashboard.json", json.dumps(board, indent=1) + "\n")
