"""The checklist of the stack files here, as development and as production."""

import pytest

from infra.checking import check_settings, check_stack
from infra.resolve import version_specs
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stack_facts import stack_facts
from planner.checklist import checklist
from planner.checklist.facts import StackFacts
from planner.rules import Environment
from tests.snapshot import assert_snapshot
from tests.stack_files import STACKS, stack_config


def facts(stack: str, environment: Environment) -> StackFacts:
    settings, _ = check_settings(stack_config(stack) | {"environment": environment})
    assert settings is not None
    return stack_facts(settings, version_specs(settings), gateway_spec(settings), ingress_spec(settings))


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", ["development", "production"])
def test_the_checklist_of_a_stack_file_reads_like_this(stack: str, environment: Environment) -> None:
    lines = [f"{f.severity:7} {f.id}: {f}" for f in checklist(facts(stack, environment))]
    assert_snapshot(f"checklist/{stack}-as-{environment}.txt", "".join(f"{line}\n" for line in lines))


def test_a_development_stack_is_left_in_peace_about_what_only_production_needs() -> None:
    found = {finding.id for finding in checklist(facts("dev", "development"))}
    assert found == {"weights-not-pinned"}


@pytest.mark.parametrize(
    ("log", "rule"), [({"prompts": True}, "prompts-in-logs"), ({"requests": False}, "audit-log-off")]
)
def test_the_gateways_log_is_judged_as_it_is_set(log: dict[str, bool], rule: str) -> None:
    raw = stack_config("prod")
    raw["gateway"]["log"] = log
    assert rule in {finding.id for finding in check_stack(raw).findings}
    assert rule not in {finding.id for finding in check_stack(stack_config("prod")).findings}


def test_a_gateway_slower_than_its_engines_is_told_in_the_preview() -> None:
    raw = stack_config("prod")
    raw["gateway"] |= {"replicas": {"min": 2, "max": 2}, "cpu": 0.5}
    found = [finding for finding in check_stack(raw).findings if finding.id == "gateway-too-small"]
    assert [finding.path for finding in found] == ["gateway.replicas.max"]
