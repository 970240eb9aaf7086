"""The stand-in's data: catalogue.yaml says how each resource type behaves, rules.yaml what AWS refuses."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel


class Behaviour(BaseModel, frozen=True, extra="forbid"):
    """How a resource type behaves; the columns are explained at the head of catalogue.yaml."""

    api: str = ""
    create: str = ""
    update: list[str] = []
    inside: list[str] = []
    names: dict[str, str] = {}
    in_place: list[str] = []
    replace: list[str] = []
    id: str
    arn: str = ""
    outputs: dict[str, Any] = {}
    name: str = ""
    name_max: int = 255
    name_prefix: str = ""
    delete_first: bool = False
    held_by: list[str] = []
    held: str = ""
    revises: bool = False


class Rule(BaseModel, frozen=True, extra="forbid"):
    """What an input must be, or how inputs go together; explained at the head of rules.yaml."""

    type: str
    within: str = ""
    when: dict[str, Any] = {}
    input: str = ""
    kind: str = ""
    values: list[str | int] = []
    range: tuple[int, int] | None = None
    pattern: str = ""
    exactly_one: list[str] = []
    at_most_one: list[str] = []
    rising: list[str] = []
    alike: list[str] = []
    forbids: list[str] = []
    needs: list[str] = []
    fix: str
    source: str


@cache
def behaviours() -> Mapping[str, Behaviour]:
    """Return every resource type the stand-in knows, by token."""
    return MappingProxyType(
        {token: Behaviour(**row) for token, row in _read("catalogue.yaml")["types"].items()}
    )


@cache
def rules() -> Mapping[str, list[Rule]]:
    """Return the table rules by token."""
    found: dict[str, list[Rule]] = {}
    for row in _read("rules.yaml")["rules"]:
        found.setdefault(row["type"], []).append(Rule(**row))
    return MappingProxyType(found)


@cache
def id_prefixes() -> Mapping[str, list[str]]:
    """Return how the ids begin that an input of this name takes."""
    return MappingProxyType(_read("rules.yaml")["id_prefixes"])


@cache
def _read(name: str) -> Any:
    return yaml.safe_load(files("local.providers.aws").joinpath(name).read_text(encoding="utf-8"))
