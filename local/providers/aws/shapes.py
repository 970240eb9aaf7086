"""What AWS's own service models (botocore) say: which values an input may have, what can change in place."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from local.providers.aws import schema
from local.providers.aws.catalogue import Behaviour
from local.providers.protocol import UNKNOWN
from planner.finding import Finding, error, nearest

Shape = Any
"""A shape of botocore, which has no types."""


@cache
def service(name: str) -> Any:
    """Return a service's newest model."""
    loader = import_module("botocore.loaders").Loader()
    return import_module("botocore.model").ServiceModel(loader.load_service_model(name, "service-2"), name)


def instance_types() -> list[str]:
    """Return every EC2 instance type there is."""
    types: list[str] = service("ec2").shape_for("InstanceType").enum
    return types


def findings(behaviour: Behaviour, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell every value outside what the service accepts: enumerations, lengths, patterns, ranges."""
    operations = [behaviour.create, *behaviour.update] if behaviour.create else []
    for name, value in values.items():
        shapes = (_member(behaviour, operation, name) for operation in operations)
        shape = next((found for found in shapes if found is not None), None)
        if shape is not None and name != "tags":
            yield from _walk(behaviour, shape, value, name)


def fixed(behaviour: Behaviour, inputs: schema.Properties) -> list[str]:
    """Return the paths of inputs that need a new object: members of the create call that no update call has.

    What an update call requires names the object, and is fixed too. Rows of the catalogue correct this.
    """
    found = set(behaviour.replace) | ({"region"} & set(inputs.types))
    for name, annotation in inputs.types.items() if behaviour.create else ():
        shape = _member(behaviour, behaviour.create, name)
        if shape is None or name in ("tags", *behaviour.in_place):
            continue
        changed = [_member(behaviour, operation, name, changeable=True) for operation in behaviour.update]
        updates = [update for update in changed if update is not None]
        if not updates:
            found.add(name)
        elif shape.type_name == "structure" and updates[0].type_name == "structure":
            kinds = [kind for kind in schema.alternatives(annotation) if schema.is_object(kind)]
            for child in schema.properties(kinds[0]).types if kinds else ():
                if _find(shape, child) is not None and all(_find(update, child) is None for update in updates):
                    found.add(f"{name}.{child}")
    return sorted(found)


def _member(behaviour: Behaviour, operation: str, name: str, *, changeable: bool = False) -> Shape | None:
    """Find an input among the members of a call; `changeable` leaves out those that only name the object."""
    shape = service(behaviour.api).operation_model(operation).input_shape
    wanted = behaviour.names.get(name, name)
    required = shape.required_members if changeable else []
    for inner in (shape, *(shape.members[key] for key in behaviour.inside if key in shape.members)):
        found = _find(inner, wanted, without=required if inner is shape else ())
        if found is not None:
            return found
    return None


def _find(shape: Shape, name: str, without: Any = ()) -> Shape | None:
    """Find a member by name: case and a plural's last letter do not count."""
    if shape.type_name != "structure":
        return None
    plain = {key.lower(): key for key in shape.members if key not in without}
    for spelling in (name.lower(), f"{name}s".lower(), name.lower().removesuffix("s")):
        if spelling in plain:
            return shape.members[plain[spelling]]
    return None


def _walk(behaviour: Behaviour, shape: Shape, value: Any, path: str) -> Iterator[Finding]:
    if value is None or value == UNKNOWN:
        return
    kind = shape.type_name
    if kind == "structure":
        for item in value if isinstance(value, list) else [value]:
            for name, child in item.items() if isinstance(item, dict) else ():
                wanted = behaviour.names.get(f"{path}.{name}", name)
                found = _find(shape, wanted)
                if found is not None:
                    yield from _walk(behaviour, found, child, f"{path}.{name}")
    elif kind == "list":
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            yield from _walk(behaviour, shape.member, item, f"{path}[{index}]" if items is value else path)
        yield from _length(shape, items, path, "elements")
    elif kind == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(behaviour, shape.key, key, f"{path}[{key!r}]")
            yield from _walk(behaviour, shape.value, item, f"{path}[{key!r}]")
    elif kind == "string" and isinstance(value, str):
        yield from _text(shape, value, path)
    elif kind in ("integer", "long", "float", "double") and isinstance(value, int | float):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            yield error(path, f"is {value}", f"give a number {_between(low, high)}")


def _text(shape: Shape, value: str, path: str) -> Iterator[Finding]:
    """Check a text; one that AWS calls sensitive is never shown."""
    said = "is not accepted" if shape.metadata.get("sensitive") else f"is {value[:80]!r}"
    if shape.enum:
        if value not in shape.enum:
            yield error(path, said, nearest(value, shape.enum))
        return
    pattern = shape.metadata.get("pattern")
    yield from _length(shape, value, path, "characters")
    if pattern and UNKNOWN not in value and not _fits(pattern, value):
        yield error(path, said, f"it must match {pattern}")


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True  # the model speaks a dialect that Python does not


def _length(shape: Shape, value: Any, path: str, unit: str) -> Iterator[Finding]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and len(value) < low) or (high is not None and len(value) > high):
        yield error(path, f"has {len(value)} {unit}", f"give {_between(low, high)}")


def _between(low: Any, high: Any) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low in (None, 0) else f"from {low} to {high}"
