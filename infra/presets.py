"""Numbers a stack file takes where it gives none. Pure."""

from collections.abc import Mapping
from typing import Any

from infra.stackfile.base import Settings
from infra.stackfile.stack import StackSettings
from planner.data_files import package_file


def presets() -> Mapping[str, Any]:
    """The number tables by preset name, from presets.yaml."""
    data: Mapping[str, Any] = package_file("infra", "presets.yaml")
    return data


def number(settings: StackSettings, section: str, part: Settings, field: str) -> int:
    """The stack file's own number, else the preset's."""
    own = getattr(part, field)
    return int(presets()[settings.preset][section][field] if own is None else own)
