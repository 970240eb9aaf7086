"""Engines, their chips and how they divide GPU memory, read once from `data/engines.yaml`."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict

from planner.data_files import data_file
from planner.gpus import capability


class _Since(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    since: str


class CapabilityFloor(_Since):
    """Lowest CUDA compute capability from a release on."""

    value: str


class RemovedFormats(_Since):
    """Weight formats the stock image no longer loads from a release on."""

    words: tuple[str, ...]
    instead: str


class EngineFacts(BaseModel):
    """One engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    memory: str
    """How it divides GPU memory, in words."""
    modelled: bool
    """Whether the planner predicts that division."""
    min_capability: tuple[CapabilityFloor, ...]
    removed_formats: tuple[RemovedFormats, ...] = ()
    fp8_kv_capability: str | None = None
    offloads_to_cpu: bool = False
    source: str

    def floor(self, version: str | None) -> tuple[int, int]:
        """Return the lowest compute capability a release runs on; without a version, that any release did."""
        held = [row for row in self.min_capability if version is not None and reached(row.since, version)]
        return capability((held or self.min_capability[:1])[-1].value)


@cache
def reached(since: str, version: str) -> bool:
    """Whether `version` is at or after `since`; True for one that cannot be read."""
    try:
        return Version(version) >= Version(since)
    except InvalidVersion:
        return True


@cache
def engine_facts() -> Mapping[str, EngineFacts]:
    """Return all engines by name."""
    rows = data_file("engines.yaml")["engines"]
    return MappingProxyType({name: EngineFacts(name=name, **row) for name, row in rows.items()})
