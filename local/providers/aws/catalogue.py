"""The stand-in's data: catalogue.yaml says how each resource type behaves, rules.yaml what AWS refuses."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType, SimpleNamespace
from typing import Any

import yaml

Row = SimpleNamespace
"""A row of a table, completed with the table's defaults, which say what columns there are."""


@cache
def behaviours() -> Mapping[str, Row]:
    """Return every resource type the stand-in knows, by token; explained at the head of catalogue.yaml."""
    data = _read("catalogue.yaml")
    return MappingProxyType({token: Row(**data["defaults"] | row) for token, row in data["types"].items()})


@cache
def functions() -> Mapping[str, Any]:
    """Return what functions answer, by token."""
    return MappingProxyType(_read("catalogue.yaml")["functions"])


@cache
def rules() -> Mapping[str, list[Row]]:
    """Return the table rules by token; explained at the head of rules.yaml."""
    data, found = _read("rules.yaml"), dict[str, list[Row]]()
    for row in data["rules"]:
        found.setdefault(row["type"], []).append(Row(**data["defaults"] | row))
    return MappingProxyType(found)


@cache
def id_prefixes() -> Mapping[str, list[str]]:
    """Return how the ids begin that an input of this name takes."""
    return MappingProxyType(_read("rules.yaml")["id_prefixes"])


@cache
def _read(name: str) -> Any:
    text = files("local.providers.aws").joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
