"""Least and most seconds of the budget rules, from data/time_limits.yaml, with their sources."""

from typing import Any

from planner.data_files import data_file


def limit_seconds(name: str) -> int:
    """The number of one row, as in `spot_notice_seconds`."""
    value: int = limits()[name]["value"]
    return value


def limits() -> dict[str, dict[str, Any]]:
    """All rows: value and source by name."""
    data: dict[str, dict[str, Any]] = data_file("time_limits.yaml")
    return data
