"""Reads the planner's data files, each once in a process."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same safe loader in C where PyYAML has it: ten times as quick."""


@cache
def data_file(name: str) -> Any:
    """Content of `data/<name>`; not to be changed by whoever gets it."""
    text = files("planner").joinpath("data", name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, see above
