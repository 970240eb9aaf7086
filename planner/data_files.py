"""Reads data files that lie beside the code, each once in a process."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same safe loader in C where PyYAML has it: ten times as quick."""


@cache
def data_file(name: str) -> Any:
    """Content of `planner/data/<name>`; not to be changed by whoever gets it."""
    return package_file("planner", f"data/{name}")


@cache
def package_file(package: str, name: str) -> Any:
    """Content of a YAML file of a package; not to be changed by whoever gets it."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, see above
