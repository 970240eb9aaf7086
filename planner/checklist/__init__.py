"""The production checklist: rules that settings decide, weighed by the class of the environment. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from planner.checklist import observability, performance, reliability, security
from planner.checklist.broken import Check
from planner.checklist.facts import StackFacts
from planner.finding import Finding, error, warning
from planner.rules import rules

CHECKS: Mapping[str, Check] = MappingProxyType(
    {**performance.RULES, **reliability.RULES, **security.RULES, **observability.RULES}
)
"""Every rule of the checklist by its id."""


def checklist(facts: StackFacts) -> list[Finding]:
    """Return what is broken, by rule in the order of the register; rules that are off there say nothing."""
    say = {"error": error, "warning": warning}
    found: list[Finding] = []
    for rule, check in CHECKS.items():
        weight = rules()[rule].weight(facts.environment)
        if weight != "off":
            found += [say[weight](b.path, b.message, b.fix, id=rule) for b in check(facts)]
    return found
