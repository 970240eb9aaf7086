"""The checklist of the stack files here, as development and as production."""

import pytest

from infra.checking import check_settings
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
