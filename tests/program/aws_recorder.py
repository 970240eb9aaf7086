"""AWS resources in the recorder: refused as the aws stand-in refuses them, answered as it answers."""

from collections.abc import Mapping
from typing import Any

import pulumi

from local.providers.aws import objects
from local.providers.aws.catalogue import behaviours
from local.providers.aws.validate import validate

DEFAULTS = {"region": "us-west-2", "tags": {}}
NAMED = b"the recorder gives every made name the same digits"


class RefusedError(AssertionError):
    """AWS, or its provider, would not take some inputs of the program."""


class AwsRecorder:
    """Answers one run of a program, and remembers what it would be refused."""

    def __init__(self) -> None:
        self._refusals: list[str] = []

    def answer(self, token: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Check a resource; return the id and the outputs it would get.

        In a preview outputs are not known, and the recorder leaves out inputs made of them: no check then.
        """
        if pulumi.runtime.is_dry_run() or token not in behaviours():
            return f"{name}-id", dict(inputs)
        completed = objects.completed(token, name, {}, dict(inputs), DEFAULTS, NAMED)
        found = validate(token, objects.checkable(completed))
        self._refusals += [f"{token} {name!r}: {finding}" for finding in found]
        return objects.identified(token, completed, DEFAULTS["region"], f"{token}/{name}")

    def require_accepted(self) -> None:
        """Raise RefusedError with all mistakes, if there were some."""
        if self._refusals:
            raise RefusedError("\n".join(sorted(self._refusals)))
