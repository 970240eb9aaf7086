"""Time budgets: every inequality broken and kept, and what the findings say."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from planner.answer_times import AnswerTimes, answer_findings
from planner.drain_budget import GatewayTimes, PodDrain, drain_findings, gateway_findings
from planner.finding import Finding
from planner.rules import rules
from planner.start_budget import StartBudget, advised_startup_seconds, rollout_seconds, start_findings
from planner.time_limits import limits

TABLE = yaml.safe_load(Path(__file__).with_name("budget_examples.yaml").read_text("utf-8"))
EXAMPLES: list[dict[str, Any]] = TABLE["examples"]
CHECKS: dict[str, tuple[type[BaseModel], Callable[[Any], Iterable[Finding]]]] = {
    "start": (StartBudget, start_findings),
    "drain": (PodDrain, drain_findings),
    "gateway": (GatewayTimes, gateway_findings),
    "answer": (AnswerTimes, answer_findings),
}

START = StartBudget(**TABLE["bases"]["start"])
DRAIN = PodDrain(**TABLE["bases"]["drain"])
GATEWAY = GatewayTimes(**TABLE["bases"]["gateway"])
ANSWER = AnswerTimes(**TABLE["bases"]["answer"])


def found(example: dict[str, Any], which: str) -> list[Finding]:
    model, check = CHECKS[example["base"]]
    return list(check(model(**TABLE["bases"][example["base"]] | example[which])))


def label(example: dict[str, Any]) -> str:
    return f"{example['rule']}-{example.get('severity', 'error')}"


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_what_breaks_an_inequality_is_found(example: dict[str, Any]) -> None:
    expected = [(example["rule"], example.get("severity", "error"))]
    assert [(f.id, f.severity) for f in found(example, "broken")] == expected


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_what_keeps_it_to_the_last_second_is_not(example: dict[str, Any]) -> None:
    assert found(example, "kept") == []


@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_a_finding_gives_numbers_a_setting_and_a_fix(example: dict[str, Any]) -> None:
    (finding,) = found(example, "broken")
    assert finding.path.startswith(("models.chat", "gateway."))
    assert finding.fix
    if example["rule"] != "startup-probe-missing":
        assert any(character.isdigit() for character in finding.message)


@pytest.mark.parametrize("base", CHECKS)
def test_the_examples_start_from_what_breaks_nothing(base: str) -> None:
    model, check = CHECKS[base]
    assert list(check(model(**TABLE["bases"][base]))) == []


def test_every_rule_of_the_budgets_has_its_examples() -> None:
    budgets = {name for name, rule in rules().items() if rule.group in ("start", "drain", "answer")}
    assert {example["rule"] for example in EXAMPLES} == budgets


def test_the_drain_finding_shows_its_sum() -> None:
    (finding,) = drain_findings(DRAIN.model_copy(update={"grace_seconds": 30}))
    assert str(finding) == (
        "models.chat.versions.v1.drain_seconds: preStop 15 + drain 300 + margin 15 = 330 s, but the pod is "
        "killed after 30 s; make terminationGracePeriodSeconds 330 or more, or drain for less"
    )


def test_the_startup_finding_shows_the_estimate() -> None:
    (finding,) = start_findings(START.model_copy(update={"startup_seconds": 300}))
    assert str(finding) == (
        "models.chat.versions.v1.startup_seconds: leaves 300 s from container to ready, estimated at "
        "200 (100 to 400) s; make it 420 or more, or start faster (weights streamed from S3 or kept on the "
        "node, images pulled in parallel)"
    )


def test_without_surge_a_new_pod_waits_for_the_old_one() -> None:
    assert START.step_seconds.likely == 460
    assert START.model_copy(update={"surge": 0}).step_seconds.likely == 460 + 330
    assert rollout_seconds(START, 3).likely == 3 * 460


def test_the_advised_budget_holds_the_slowest_start_in_whole_minutes() -> None:
    assert advised_startup_seconds(START.estimate) == 420


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(15, 60), st.integers(0, 5000))
def test_a_drain_is_found_exactly_where_its_sum_exceeds_the_grace(
    prestop: int, drain: int, margin: int, grace: int
) -> None:
    changed = {
        "prestop_seconds": prestop,
        "drain_seconds": drain,
        "margin_seconds": margin,
        "grace_seconds": grace,
    }
    ids = {f.id for f in drain_findings(DRAIN.model_copy(update=changed))}
    assert ("drain-exceeds-grace" in ids) == (prestop + drain + margin > grace)


def test_silence_is_never_longer_than_the_longest_stream() -> None:
    assert GATEWAY.longest_silence_seconds == 120
    assert GATEWAY.model_copy(update={"tries": 9}).longest_silence_seconds == 300


def test_an_answer_of_unknown_length_is_not_judged() -> None:
    unknown = {"longest_answer_tokens": None, "longest_stream_seconds": 1, "request_timeout_seconds": 1}
    assert answer_findings(ANSWER.model_copy(update=unknown)) == []


def test_every_limit_names_its_source() -> None:
    assert all(row["source"] and row["value"] > 0 for row in limits().values())
