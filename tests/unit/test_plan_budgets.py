"""Budgets are read from the manifests we really render; those of the stack files here keep every rule."""

from typing import Any

import pytest

from infra.checking import check_settings
from infra.plan_budgets import gateway_budgets
from infra.plan_versions import version_findings, version_plan
from infra.resolve import version_specs
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stackfile.stack import StackSettings
from planner.drain_budget import drain_findings, gateway_findings
from tests.stack_files import STACKS, stack_config


def settings(stack: str) -> StackSettings:
    parsed, _ = check_settings(stack_config(stack))
    assert parsed is not None
    return parsed


def versions() -> list[Any]:
    return [
        pytest.param(stack, number, id=f"{stack}-{spec.name}")
        for stack in STACKS
        for number, spec in enumerate(version_specs(settings(stack)))
    ]


@pytest.mark.parametrize(("stack", "number"), versions())
def test_a_version_starts_and_drains_within_its_budgets(stack: str, number: int) -> None:
    parsed = settings(stack)
    plan = version_plan(parsed, version_specs(parsed)[number])
    assert plan.start is not None
    found = version_findings(parsed, plan, gateway_spec(parsed).model)
    accepted = {"memory-uncertain", "grace-exceeds-spot-notice"}  # not modelled; waived in prod
    assert [str(finding) for finding in found if finding.id not in accepted] == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_gateways_streams_end_before_it_and_its_load_balancer(stack: str) -> None:
    spec, outside = gateway_spec(settings(stack)), ingress_spec(settings(stack))
    times, drain = gateway_budgets(spec, outside)
    assert (times.load_balancer is not None) is (outside is not None)
    assert gateway_findings(times) == []
    assert drain_findings(drain) == []
