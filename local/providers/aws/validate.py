"""Checks a resource's inputs without AWS. Pure: the provider and the tests' recorder refuse the same."""

from collections.abc import Mapping
from typing import Any

from local.providers.aws import catalogue, rules, schema, shapes
from planner.finding import Finding, error


def validate(token: str, inputs: Mapping[str, Any]) -> list[Finding]:
    """Return everything wrong with the inputs (camelCase) of a resource such as `aws:ec2/vpc:Vpc`.

    Three sources: the installed SDK's types (unknown, missing, wrong kind, at any depth), AWS's service
    models (enumerations, lengths, patterns, ranges) and the rules of rules.yaml and rules.py.
    """
    resource_type = schema.resource_type(token)
    if resource_type is None:
        return [error(token, "the installed pulumi-aws has no such resource", "see its documentation")]
    found = list(schema.findings(resource_type.inputs, inputs))
    if token in catalogue.behaviours():
        found += shapes.findings(catalogue.behaviours()[token], inputs)
    found += rules.findings(token, inputs)
    told: dict[str, Finding] = {}
    for finding in found:  # what is said first of a path is nearest to the mistake
        told.setdefault(finding.path, finding)
    return list(told.values())
