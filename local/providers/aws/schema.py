"""What the installed SDK says of a resource type: its inputs at any depth, which are required, its outputs."""

import inspect
import sys
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, Union, get_args, get_origin

from pulumi import Output, _types

from local.providers.protocol import UNKNOWN
from planner.finding import Finding, error, nearest


class UnknownTypeError(Exception):
    """The installed SDK has no such resource."""


@dataclass(frozen=True)
class Properties:
    """The inputs of a resource, or of one of its nested objects."""

    types: Mapping[str, Any]
    """Type of each input, by its name on the wire (camelCase)."""
    required: frozenset[str]


@dataclass(frozen=True)
class ResourceType:
    """A resource of the SDK."""

    inputs: Properties
    outputs: frozenset[str]
    """Every property of the resource: inputs and what only AWS says."""


@cache
def resource_type(token: str) -> ResourceType:
    """Return what the SDK says of a type such as `aws:ec2/vpc:Vpc`."""
    _, module_name, class_name = token.split(":")
    try:
        cls = getattr(import_module(f"pulumi_aws.{module_name.split('/')[0]}"), class_name)
    except (ImportError, AttributeError):
        raise UnknownTypeError(token) from None
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
    where = f"{path}." if path else ""
    for name in sorted(inputs.required - set(values)):
        yield error(f"{where}{name}", "is missing", f"give {_described(inputs.types[name])}")
    for name, value in values.items():
        if name not in inputs.types:
            yield error(f"{where}{name}", "there is no such input", nearest(name, inputs.types))
        else:
            yield from _value_findings(inputs.types[name], value, f"{where}{name}")


def is_object(kind: Any) -> bool:
    """Whether a kind of value is a nested object whose inputs are known."""
    return _types.is_input_type(kind)


def alternatives(annotation: Any) -> list[Any]:
    """Return what a value may be: classes, `Sequence[...]`, `Mapping[...]`; without Outputs and None."""
    if get_origin(annotation) is not Union:
        return [annotation]
    kinds = [kind for member in get_args(annotation) for kind in alternatives(member)]
    plumbing = (Awaitable, Output)
    return [kind for kind in kinds if kind is not type(None) and get_origin(kind) not in plumbing]


def _value_findings(annotation: Any, value: Any, path: str) -> Iterator[Finding]:
    if value is None or value == UNKNOWN:
        return
    kinds = alternatives(annotation)
    for kind in kinds:
        if isinstance(value, dict) and is_object(kind):
            yield from findings(properties(kind), value, path)
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
    yield error(path, f"is {_kind_of(value)}", f"give {_described(annotation)}")


def _is_scalar(kind: Any, value: Any) -> bool:
    """Whether a scalar fits, with the conversions between text, numbers and booleans that Pulumi makes."""
    if kind is Any or kind is str or (isinstance(kind, type) and issubclass(kind, Enum)):
        return True
    if kind is bool:
        return str(value).lower() in ("true", "false")
    if kind in (int, float):
        return not isinstance(value, bool) and _is_number(str(value), whole=kind is int)
    return False


def _is_number(text: str, *, whole: bool) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return number.is_integer() or not whole


def _kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "a boolean", str: "text"}
    return kinds.get(type(value), "a number")


def _described(annotation: Any) -> str:
    def one(kind: Any) -> str:
        if get_origin(kind) is Sequence:
            return f"a list, each {one(alternatives(get_args(kind)[0])[0])}"
        if get_origin(kind) is Mapping or is_object(kind):
            known = properties(kind).types if is_object(kind) else ()
            return f"an object with {', '.join(sorted(known)[:6])}" if known else "an object"
        return {bool: "a boolean", int: "a whole number", float: "a number"}.get(kind, "text")

    return " or ".join(dict.fromkeys(one(kind) for kind in alternatives(annotation)))
