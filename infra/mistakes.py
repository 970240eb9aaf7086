"""From what pydantic says about a stack file to findings a person can act on. Pure."""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infra.stackfile.stack import StackSettings
from planner.finding import Finding, error, nearest

Location = tuple[str | int, ...]

_UNIONS: Mapping[Location, tuple[str, ...]] = {
    ("models", "*"): ("served", "external"),
    ("cluster",): ("existing", "eks"),
    ("cluster", "network"): ("new", "existing"),
}
"""Where one of several shapes may stand, with the tags pydantic puts after such a place."""
_STAND_INS: Mapping[Location, Any] = {
    ("cluster",): {"context": "unknown"},
    ("pools",): {},
    ("models",): {},
    ("tenants",): {},
}
"""What takes the place of a broken required part, so that the rest of the file can still be checked."""


def parse(raw: Mapping[str, Any]) -> tuple[StackSettings | None, list[Finding]]:
    """Validate the shape of `llmserve:settings`.

    Returns the settings and one finding per mistake. With mistakes, the settings are those of the file
    without its broken parts, for further checks only; None when nothing useful is left.
    """
    try:
        return StackSettings.model_validate_json(json.dumps(raw), strict=True), []
    except ValidationError as mistakes:
        findings = [_finding(detail) for detail in mistakes.errors()]
        return _without_broken_parts(raw, mistakes), findings


def dotted(location: Iterable[str | int]) -> str:
    """Write a location as users know it: dots between keys."""
    return ".".join(str(part) for part in location)


def _without_broken_parts(raw: Mapping[str, Any], mistakes: ValidationError) -> StackSettings | None:
    pruned = copy.deepcopy(dict(raw))
    for _ in range(10):  # a removed part may make its parent incomplete: at most as often as the file is deep
        for detail in mistakes.errors():
            _remove(pruned, _without_tags(detail["loc"]), missing=detail["type"] == "missing")
        try:
            return StackSettings.model_validate_json(json.dumps(pruned), strict=True)
        except ValidationError as remaining:
            mistakes = remaining
    return None


def _remove(tree: dict[str, Any], location: Location, *, missing: bool) -> None:
    if missing and location[:-1] == (
        "cluster",
    ):  # nothing can be said about a cluster without its main parts
        location = ("cluster",)
    if location in _STAND_INS:
        _set(tree, location, copy.deepcopy(_STAND_INS[location]))
        return
    target = location[:-1] if missing else location
    if target in _STAND_INS or not target:
        return
    parent: Any = tree
    for part in target[:-1]:
        if not isinstance(parent, dict) or part not in parent:
            return
        parent = parent[part]
    if isinstance(parent, dict):
        parent.pop(target[-1], None)
    elif isinstance(parent, list) and isinstance(target[-1], int) and target[-1] < len(parent):
        del parent[target[-1]]


def _set(tree: dict[str, Any], location: Location, value: Any) -> None:
    for part in location[:-1]:
        tree = tree[str(part)]
    tree[str(location[-1])] = value


def _without_tags(location: Sequence[str | int]) -> Location:
    """Drop the tag of a union's branch, which pydantic puts after the place the union stands at."""
    path: Location = ()
    tags: tuple[str, ...] = ()
    for part in location:
        if part in tags:
            tags = ()
            continue
        path = (*path, part)
        tags = _tags(path)
    return path


def _tags(path: Location) -> tuple[str, ...]:
    """Tags that may follow `path`, if a union stands there."""
    found = (
        tags
        for pattern, tags in _UNIONS.items()
        if len(pattern) == len(path) and all(p in ("*", q) for p, q in zip(pattern, path, strict=True))
    )
    return next(found, ())


def _finding(detail: ErrorDetails) -> Finding:
    location = detail["loc"]
    path = dotted(_without_tags(location)) or "llmserve:settings"
    kind, context = detail["type"], detail.get("ctx", {})
    key = str(location[-1]) if location else ""
    match kind:
        case "extra_forbidden":
            return error(path, "unknown key", nearest(key, _fields(tuple(location[:-1]))))
        case "union_tag_invalid":
            words = [word.strip("'") for word in context["expected_tags"].split(", ")]
            return error(f"{path}.kind", f"is {context['tag']!r}", nearest(context["tag"], words))
        case "missing":
            description = _fields(tuple(location[:-1])).get(key, {}).get("description", "")
            return error(path, "is missing", f"add it: {description}" if description else "add it")
        case "literal_error":
            words = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
            return error(path, f"is {detail['input']!r}", nearest(str(detail["input"]), words))
        case _:
            wanted = detail["msg"].removeprefix("Input should be ")
            return error(path, f"is {_short(detail['input'])}", f"should be {wanted}")


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


@cache
def _schema() -> dict[str, Any]:
    return StackSettings.model_json_schema()


def _fields(location: Location) -> dict[str, dict[str, Any]]:
    """Properties of the object at `location` (with union tags), from the settings' JSON Schema."""
    nodes = [_schema()]
    path: Location = ()
    tags: tuple[str, ...] = ()
    for part in location:
        if part in tags:
            nodes = [choice for node in nodes for choice in _choices(node) if _is(choice, str(part))]
            tags = ()
            continue
        path = (*path, part)
        tags = _tags(path)
        nodes = [child for node in nodes for child in _step(node, part)]
    return {name: field for node in nodes for name, field in _expand_properties(node).items()}


def _step(node: dict[str, Any], part: str | int) -> list[dict[str, Any]]:
    children = []
    for choice in _choices(node):
        if part in choice.get("properties", {}):
            children.append(choice["properties"][part])
        elif isinstance(choice.get("additionalProperties"), dict):
            children.append(choice["additionalProperties"])
        elif isinstance(part, int) and "items" in choice:
            children.append(choice["items"])
    return children


def _is(choice: dict[str, Any], tag: str) -> bool:
    """Whether a shape is the one of this tag, by its class' name."""
    return str(choice.get("title", "")).lower().startswith(tag)


def _expand_properties(node: dict[str, Any]) -> dict[str, Any]:
    return {name: field for choice in _choices(node) for name, field in choice.get("properties", {}).items()}


def _choices(node: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _choices(_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]])
    options = node.get("anyOf") or node.get("oneOf")
    return [choice for option in options for choice in _choices(option)] if options else [node]
