"""Least and most seconds of the budget rules, from data/time_limits.yaml, with their sources."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


def limit_seconds(name: str) -> int:
    """The number of one row, as in `spot_notice_seconds`."""
    value: int = limits()[name]["value"]
    return value


@cache
def limits() -> dict[str, dict[str, Any]]:
    """All rows: value and source by name."""
    text = files("planner").joinpath("data/time_limits.yaml").read_text(encoding="utf-8")
    data: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return data
