"""Reads stack files and the config.json files they name, without Pulumi."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from planner.finding import Finding, error

SETTINGS_KEY = "llmserve:settings"
_MOST_BYTES = 2_000_000
"""Of a stack file or config.json; larger ones are something else."""


def read_stack_file(path: Path) -> tuple[dict[str, Any], Finding | None]:
    """Return the keys below `config:`, or what is wrong with the file; text keys, and dates as text."""
    text, problem = _text(path)
    if problem is not None:
        return {}, problem
    try:
        content = YAML(typ="safe").load(text)
        config = content.get("config") if isinstance(content, Mapping) else None
        return (_plain(config) if isinstance(config, Mapping) else {}), None
    except (YAMLError, ValueError, RecursionError) as wrong:
        return {}, error(str(path), f"is not YAML: {' '.join(str(wrong).split())[:300]}", "mend it there")


def with_config_files(raw: Mapping[str, Any], folder: Path) -> tuple[Mapping[str, Any], list[Finding]]:
    """Return the settings with what the files at `config_json` hold; and findings on unreadable ones."""
    places = list(_config_paths(raw))
    if not places:
        return raw, []
    whole, found = json.loads(json.dumps(raw, default=str)), []
    for model, version, name in places:
        where = f"models.{model}.versions.{version}.config_json"
        content, problem = read_config_json(folder / name)
        if problem:
            found.append(error(where, f"{name} {problem}", "name a config.json beside the stack file"))
            content = {}
        whole["models"][model]["versions"][version]["config_json"] = content or None
    return whole, found


def _config_paths(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for model, settings in _mapping(raw.get("models")).items():
        for version, chosen in _mapping(_mapping(settings).get("versions")).items():
            name = _mapping(chosen).get("config_json")
            if isinstance(name, str):
                yield model, version, name


def read_config_json(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return what a config.json holds, or in words what is wrong with it."""
    text, problem = _text(path)
    if problem is not None:
        return {}, problem.message
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        return {}, f"is not JSON: {wrong}"
    return (content, None) if isinstance(content, dict) else ({}, "holds no JSON object")


def _text(path: Path) -> tuple[str, Finding | None]:
    try:
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            return "", error(str(path), "is too large", "name a stack file")
        return path.read_text(encoding="utf-8"), None
    except OSError as problem:
        return "", error(str(path), f"cannot be read: {problem.strerror}", "name a stack file")
    except ValueError:
        return "", error(str(path), "is not text", "name a stack file")


def _plain(value: Any) -> Any:
    """The same in what JSON has: YAML also knows dates, and keys that are no text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
