"""What the installed SDK says of a resource type: inputs at any depth, which are required, outputs. Pure."""

import inspect
import sys
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, Union, get_args, get_origin

from pulumi import Output, _types

from local.providers.protocol import UNKNOWN
from planner.finding import Finding, error, nearest

KINDS = {
    dict: "an object",
    list: "a list",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "text",
}


class Properties(NamedTuple):
    """The inputs of a resource or of a nested object: their types by name on the wire (camelCase)."""

    types: Mapping[str, Any]
    required: frozenset[str]


class ResourceType(NamedTuple):
    """A resource of the SDK: its inputs, and every property, also those that only AWS sets."""

    inputs: Properties
    outputs: frozenset[str]


@cache
def resource_type(token: str) -> ResourceType | None:
    """Return what the SDK says of a type such as `aws:ec2/vpc:Vpc`; None if it has no such resource."""
    _, module_name, class_name = token.split(":")
    try:
        cls = getattr(import_module(f"pulumi_aws.{module_name.split('/')[0]}"), class_name)
    except (ImportError, AttributeError):
        return None
    module = sys.modules[cls.__module__]  # where a nested object has the name, the arguments are `InitArgs`
    args = getattr(module, f"{class_name}InitArgs", None) or getattr(module, f"{class_name}Args")
    return ResourceType(properties(args), frozenset(_types.resource_types(cls)))


@cache
def properties(args: type) -> Properties:
    """Return the inputs that a class of arguments has."""
    names = _types.input_type_py_to_pulumi_names(args)
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(args).parameters
    required = {names[name] for name, parameter in parameters.items() if parameter.default is parameter.empty}
    return Properties(_types.input_type_types(args), frozenset(required))


def findings(inputs: Properties, values: Mapping[str, Any], path: str = "") -> Iterator[Finding]:
    """Tell every unknown key, missing input and value of a wrong kind. What is not known yet passes."""
    for name in sorted(inputs.required - set(values)):
        yield error(f"{path}{name}", "is missing", f"give {_called(inputs.types[name])}")
    for name, value in values.items():
        if name not in inputs.types:
            yield error(f"{path}{name}", "there is no such input", nearest(name, inputs.types))
        else:
            yield from _value_findings(inputs.types[name], value, f"{path}{name}")


def _value_findings(annotation: Any, value: Any, path: str) -> Iterator[Finding]:
    if value is None or value == UNKNOWN:
        return
    for kind in _alternatives(annotation):
        if isinstance(value, dict) and _types.is_input_type(kind):
            yield from findings(properties(kind), value, f"{path}.")
            return
        if isinstance(value, dict) and get_origin(kind) is Mapping:
            for key, item in value.items():
                yield from _value_findings(get_args(kind)[1], item, f"{path}[{key!r}]")
            return
        if isinstance(value, list) and get_origin(kind) is Sequence:
            for index, item in enumerate(value):
                yield from _value_findings(get_args(kind)[0], item, f"{path}[{index}]")
            return
        if not isinstance(value, dict | list) and _is_scalar(kind, value):
            return
    yield error(path, f"is {KINDS.get(type(value), value)}", f"give {_called(annotation)}")


def _alternatives(annotation: Any) -> list[Any]:
    """Return what a value may be: classes, `Sequence[...]`, `Mapping[...]`; without Outputs and None."""
    if get_origin(annotation) is not Union:
        return [annotation]
    kinds = [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [kind for kind in kinds if kind is not type(None) and get_origin(kind) not in (Awaitable, Output)]


def _is_scalar(kind: Any, value: Any) -> bool:
    """Whether a scalar fits, with the conversions between text, numbers and booleans that Pulumi makes."""
    if kind is bool:
        return str(value).lower() in ("true", "false")
    if kind in (int, float):
        try:
            return not isinstance(value, bool) and (kind is float or float(value).is_integer())
        except ValueError:
            return False
    return kind is Any or (isinstance(kind, type) and issubclass(kind, str | Enum))


def _called(annotation: Any) -> str:
    kind = _alternatives(annotation)[0]
    return KINDS.get({Sequence: list}.get(get_origin(kind), kind), "an object")
