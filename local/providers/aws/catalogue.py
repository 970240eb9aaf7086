"""The stand-in's data: `catalogue.yaml` says how each resource type behaves, `rules.yaml` what AWS refuses."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

PACKAGE = "local.providers.aws"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Autoname(_Row):
    """How a missing name is made."""

    property: str = "name"
    max: int = 255
    prefix: str = ""
    lower: bool = False


class Holders(_Row):
    """Who keeps an object from being deleted."""

    types: list[str]
    error: str
    """AWS's word for the refusal."""


class Behaviour(_Row):
    """How a resource type behaves. The columns are explained at the head of catalogue.yaml."""

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
    autoname: Autoname | None = None
    held_by: Holders | None = None
    revises: bool = False


class Rule(_Row):
    """A table rule: an input's values, or inputs that exclude each other."""

    type: str
    input: str = ""
    values: list[str | int] | None = None
    range: tuple[int, int] | None = None
    pattern: str | None = None
    together: list[str] | None = Field(default=None, description="At most one of these may be given.")
    exactly_one: list[str] | None = None
    when: dict[str, Any] = {}
    forbids: list[str] = []
    needs: list[str] = []
    fix: str
    source: str


@cache
def behaviours() -> Mapping[str, Behaviour]:
    """Return every resource type the stand-in knows, by token."""
    rows = _read("catalogue.yaml")["types"]
    return MappingProxyType({token: Behaviour(**row) for token, row in rows.items()})


@cache
def rules() -> Mapping[str, list[Rule]]:
    """Return the table rules by token."""
    found: dict[str, list[Rule]] = {}
    for row in _read("rules.yaml")["rules"]:
        found.setdefault(row["type"], []).append(Rule(**row))
    return MappingProxyType(found)


@cache
def known_values() -> Mapping[str, list[str]]:
    """Return lists that rules share, such as the names of EKS add-ons."""
    lists: dict[str, list[str]] = _read("rules.yaml")["lists"]
    return MappingProxyType(lists)


@cache
def _read(name: str) -> Any:
    return yaml.safe_load(files(PACKAGE).joinpath(name).read_text(encoding="utf-8"))
