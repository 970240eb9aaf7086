"""Checks a resource's inputs without AWS. Pure: the provider and the tests' recorder refuse the same."""

import re
from collections.abc import Mapping
from typing import Any

from local.providers.aws import catalogue, rules, schema, shapes
from local.providers.protocol import UNKNOWN
from planner.finding import Finding, error


def validate(token: str, inputs: Mapping[str, Any]) -> list[Finding]:
    """Return everything wrong with the inputs (camelCase) of a resource such as `aws:ec2/vpc:Vpc`.

    Three sources: the installed SDK's types (unknown, missing, wrong kind, at any depth), AWS's service
    models (enumerations, lengths, patterns, ranges) and the rules of rules.yaml and rules.py.
    """
    resource_type = schema.resource_type(token)
    if resource_type is None:
        return [error(token, "the installed pulumi-aws has no such resource", "see its documentation")]
    found = list(schema.findings(resource_type["inputs"], inputs))
    wrong = {re.split(r"[.\[]", finding.path)[0] for finding in found}  # the rest relies on the SDK's types
    sound = {name: UNKNOWN if name in wrong else value for name, value in inputs.items()}
    if token in catalogue.behaviours():
        found += shapes.findings(catalogue.behaviours()[token], sound)
    found += rules.findings(token, sound)
    # What is said first of a path is nearest to the mistake.
    return list({finding.path: finding for finding in reversed(found)}.values())[::-1]
