"""The checklist: every rule broken and kept, in both classes of environment; waivers."""

import copy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.checklist import CHECKS, checklist
from planner.checklist.facts import StackFacts
from planner.checklist.waivers import Review, Waiver, review
from planner.finding import Finding, Severity, error, warning
from planner.rules import Environment, rules
from tests.snapshot import assert_snapshot

TABLE = yaml.safe_load(Path(__file__).with_name("checklist_examples.yaml").read_text("utf-8"))
EXAMPLES: list[dict[str, Any]] = TABLE["examples"]
ENVIRONMENTS: tuple[Environment, ...] = ("development", "production")
TODAY = date(2026, 11, 25)
YESTERDAY = date(2026, 11, 24)


def facts(changes: dict[str, Any], environment: str = "production") -> StackFacts:
    tree = copy.deepcopy(TABLE["base"]) | {"environment": environment}
    for path, value in changes.items():
        node: Any = tree
        *parents, key = path.split(".")
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node[part]
        node[key] = value
    return StackFacts(**tree)


def label(example: dict[str, Any]) -> str:
    return f"{example['rule']}-{example['at']}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_what_breaks_a_rule_is_found_with_the_weight_of_its_environment(
    example: dict[str, Any], environment: Environment
) -> None:
    findings = checklist(facts(example["broken"], environment))
    weight = rules()[example["rule"]].weight(environment)

    mine = [(f.severity, f.path) for f in findings if f.id == example["rule"]]
    assert mine == ([] if weight == "off" else [(weight, example["at"])])
    if environment == "production":
        assert {f.id for f in findings} == {example["rule"], *example.get("with", [])}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("example", EXAMPLES, ids=label)
def test_what_keeps_a_rule_is_not_found(example: dict[str, Any], environment: Environment) -> None:
    assert checklist(facts(example["kept"], environment)) == []


def test_every_rule_has_its_examples_its_check_and_its_row_in_the_register() -> None:
    groups = ("performance", "reliability", "security", "observability")
    registered = {name for name, rule in rules().items() if rule.group in groups}

    assert registered == set(CHECKS) == {example["rule"] for example in EXAMPLES}


def test_every_rule_that_has_an_environment_says_something_in_production() -> None:
    for name in CHECKS:
        assert rules()[name].weight("production") != "off", name


def test_no_rule_weighs_more_in_development_than_in_production() -> None:
    order = ["off", "warning", "error"]
    for name in CHECKS:
        rule = rules()[name]
        assert order.index(rule.weight("development")) <= order.index(rule.weight("production")), name


def test_what_is_not_decided_here_is_not_judged() -> None:
    undecided = StackFacts(environment="production", gateway_min_replicas=2, gateway_image_by_digest=True)
    assert checklist(undecided) == []


def test_official_images_are_told_once_however_many_versions_run_them() -> None:
    found = checklist(facts({"versions.0.image_given": False, "versions.1.image_given": False}))
    assert [str(f) for f in found] == [
        "models: 2 versions with an official image by its tag, which moves; give image with a digest, "
        "mirrored to a registry of your own"
    ]


PATH = "models.chat.versions.v1"
SINGLE = warning(PATH, "keeps 1 replica", "keep two", id="single-replica")
GRACE = error(f"{PATH}.drain_seconds", "is too long", "shorten it", id="drain-exceeds-grace")
COOLDOWN = warning(f"{PATH}.startup_seconds", "is slow", "be quick", id="cooldown-shorter-than-start")
TYPO = error("models.chat.verions", "unknown key", "did you mean versions?")


def reviewed(
    *waivers: dict[str, Any],
    findings: tuple[Finding, ...] = (SINGLE,),
    environment: Environment = "production",
) -> Review:
    made = [Waiver(**{"reason": "one GPU until January", "until": date(2027, 1, 31)} | w) for w in waivers]
    return review(findings, made, today=TODAY, environment=environment)


def test_a_waiver_takes_its_finding_out_and_stays_visible() -> None:
    result = reviewed({"rule": "single-replica"}, findings=(SINGLE, GRACE))

    assert result.findings == (GRACE,)
    assert [(w.finding, w.waiver.reason) for w in result.waived] == [(SINGLE, "one GPU until January")]


def test_a_waiver_for_a_path_leaves_the_others() -> None:
    other = warning("models.other.versions.v1", "keeps 1 replica", "keep two", id="single-replica")
    result = reviewed({"rule": "single-replica", "path": "models.chat"}, findings=(SINGLE, other))
    assert result.findings == (other,)


def test_a_path_covers_what_is_below_it_and_not_what_begins_like_it() -> None:
    alike = warning("models.chatty", "keeps 1 replica", "keep two", id="single-replica")
    assert reviewed({"rule": "single-replica", "path": "models.chat"}, findings=(alike, SINGLE)).findings == (
        alike,
    )


def test_a_warning_of_the_budgets_may_be_waived() -> None:
    assert reviewed({"rule": "cooldown-shorter-than-start"}, findings=(COOLDOWN,)).findings == ()


WRONG = [
    # waiver, findings, rule of the finding, weight in production, weight in development
    ({"rule": "single-replicas"}, (SINGLE,), "waiver-unknown-rule", "error", "error"),
    ({"rule": "invalid-setting"}, (TYPO,), "waiver-unknown-rule", "error", "error"),
    ({"rule": "single-replica", "reason": "  "}, (SINGLE,), "waiver-without-reason", "error", "error"),
    ({"rule": "single-replica", "until": YESTERDAY}, (SINGLE,), "waiver-expired", "error", "warning"),
    ({"rule": "single-replica", "path": "tenants"}, (SINGLE,), "waiver-without-effect", "warning", "warning"),
    ({"rule": "drain-exceeds-grace"}, (GRACE,), "waiver-not-allowed", "error", "error"),
]  # fmt: skip


@pytest.mark.parametrize(("waiver", "findings", "rule", "production", "development"), WRONG)
def test_a_waiver_that_is_wrong_is_a_finding_and_takes_nothing_out(
    waiver: dict[str, Any], findings: tuple[Finding, ...], rule: str, production: str, development: str
) -> None:
    for environment, severity in (("production", production), ("development", development)):
        result = reviewed(waiver, findings=findings, environment=environment)  # type: ignore[arg-type]
        *left, said = result.findings
        assert (tuple(left), result.waived) == (findings, ())
        assert (said.id, said.severity, said.path) == (rule, severity, f"waivers.{waiver['rule']}")


def test_every_rule_about_waivers_is_shown_failing_and_one_waiver_passes_them_all() -> None:
    registered = {name for name, rule in rules().items() if rule.group == "waiver"}
    assert {row[2] for row in WRONG} == registered
    assert reviewed({"rule": "single-replica", "until": TODAY}).findings == (), "its last day still counts"


def test_an_unknown_rule_is_answered_with_the_nearest() -> None:
    (_, said) = reviewed({"rule": "single-replicas"}).findings
    assert said.fix == "did you mean single-replica?"


def test_the_severity_of_a_waiver_s_own_rules_is_that_of_the_register() -> None:
    for _, _, rule, production, development in WRONG:
        expected = rules()[rule].severity
        if isinstance(expected, str):
            assert production == development == expected
        else:
            assert (production, development) == (expected["production"], expected["development"])


def test_a_stack_that_keeps_nothing_reads_like_this() -> None:
    worst = {key: value for example in EXAMPLES for key, value in example["broken"].items()}
    findings = checklist(facts(worst))

    lines = [f"{f.severity:7} {f.id}: {f}" for f in findings]
    assert_snapshot("checklist/worst.txt", "\n".join(lines) + "\n")
    assert Severity.ERROR in {f.severity for f in findings}
