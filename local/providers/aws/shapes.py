"""What AWS's own service models (botocore) say: which values an input may have, what can change in place."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from local.providers.aws.catalogue import Row
from local.providers.protocol import UNKNOWN
from planner.finding import Finding, error, nearest


@cache
def service(name: str) -> Any:
    """Return a service's newest model."""
    loader = import_module("botocore.loaders").Loader()
    return import_module("botocore.model").ServiceModel(loader.load_service_model(name, "service-2"), name)


def findings(behaviour: Row, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell every value outside what the service accepts: enumerations, lengths, patterns, ranges."""
    operations = [behaviour.create, *behaviour.update] if behaviour.create else []
    for name, value in values.items():
        shapes = [_member(behaviour, operation, name) for operation in operations if name != "tags"]
        for shape in [shape for shape in shapes if shape is not None][:1]:
            yield from _walk(behaviour, shape, value, name)


def fixed(behaviour: Row, inputs: Iterable[str]) -> list[str]:
    """Return the inputs that need a new object: members of the create call that no update call has.

    What an update call requires names the object, and is fixed too. Rows of the catalogue correct this.
    """
    found = {*behaviour.replace, *({"region"} & set(inputs))}
    for name in set(inputs) - {"tags", "tagsAll", *behaviour.in_place} if behaviour.create else ():
        made = _member(behaviour, behaviour.create, name)
        changed = [_member(behaviour, operation, name, changeable=True) for operation in behaviour.update]
        if made is not None and all(member is None for member in changed):
            found.add(name)
    return sorted(found)


def _member(behaviour: Row, operation: str, name: str, *, changeable: bool = False) -> Any:
    """Find an input among the members of a call; `changeable` leaves out those that only name the object."""
    shape = service(behaviour.api).operation_model(operation).input_shape
    wanted = behaviour.names.get(name, name)
    found = _find(shape, wanted, without=shape.required_members if changeable else ())
    for inner in (shape.members[key] for key in behaviour.inside if key in shape.members):
        found = _find(inner, wanted) if found is None else found
    return found


def _find(shape: Any, name: str, without: Iterable[str] = ()) -> Any:
    """Find a member by name: case and a plural's last letter do not count."""
    plain = {key.lower(): key for key in shape.members if key not in without}
    for spelling in (name.lower(), f"{name}s".lower(), name.lower().removesuffix("s")):
        if spelling in plain:
            return shape.members[plain[spelling]]
    return None


def _walk(behaviour: Row, shape: Any, value: Any, path: str) -> Iterator[Finding]:
    kind = shape.type_name
    if value is None or value == UNKNOWN:
        return
    if kind == "structure":
        for item in value if isinstance(value, list) else [value]:
            for name, child in item.items() if isinstance(item, dict) else ():
                found = _find(shape, behaviour.names.get(f"{path}.{name}") or name)
                if found is not None:
                    yield from _walk(behaviour, found, child, f"{path}.{name}")
    elif kind == "list":
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            yield from _walk(behaviour, shape.member, item, f"{path}[{index}]" if items is value else path)
        yield from _limits(shape, len(items), path, f"has {len(items)} elements")
    elif kind == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(behaviour, shape.key, key, f"{path}[{key!r}]")
            yield from _walk(behaviour, shape.value, item, f"{path}[{key!r}]")
    elif kind == "string" and isinstance(value, str) and UNKNOWN not in value:
        yield from _text(shape, value, path)
    elif kind in ("integer", "long", "float", "double") and isinstance(value, int | float):
        yield from _limits(shape, value, path, f"is {value}")


def _text(shape: Any, value: str, path: str) -> Iterator[Finding]:
    """Check a text; one that AWS calls sensitive is never shown."""
    said = "is not accepted" if shape.metadata.get("sensitive") else f"is {value[:80]!r}"
    pattern = shape.metadata.get("pattern")
    if shape.enum:
        if value not in shape.enum:
            yield error(path, said, nearest(value, shape.enum))
    else:
        yield from _limits(shape, len(value), path, f"has {len(value)} characters")
        is_java = pattern and "\\p{" in pattern  # a dialect that Python does not speak
        if pattern and not is_java and not re.fullmatch(pattern, value):
            yield error(path, said, f"it must match {pattern}")


def _limits(shape: Any, number: float, path: str, said: str) -> Iterator[Finding]:
    low, high = (shape.metadata.get(end) for end in ("min", "max"))
    if (low is not None and number < low) or (high is not None and number > high):
        least, most = f"at least {low}" if low else "", f"at most {high}" if high is not None else ""
        yield error(path, said, f"give {' and '.join(filter(None, (least, most)))}")
