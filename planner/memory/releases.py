"""What one vLLM release does with memory: the entries of `data/vllm_memory.yaml` that hold for it."""

import datetime
from dataclasses import dataclass
from functools import cache
from typing import Any

from packaging.version import InvalidVersion, Version

from planner.data_files import data_file
from planner.gpus import Gpu


@dataclass(frozen=True)
class Release:
    """Memory rules of one vLLM version."""

    version: Version
    guessed: bool = False
    """The version was guessed from a date."""

    def at_least(self, key: str) -> bool:
        """Whether this release is at or after the one that `key` of the data file names."""
        return self.version >= _version(str(vllm_memory()[key]))

    @property
    def checks_state_blocks(self) -> bool:
        """Whether a start fails with fewer state blocks than max_num_seqs."""
        major, minor = str(vllm_memory()["state_blocks_checked"]["certain"]).split(".")
        return (self.version.major, self.version.minor) == (int(major), int(minor))

    @property
    def may_check_state_blocks(self) -> bool:
        """Whether it may fail so, for all that is known."""
        span = vllm_memory()["state_blocks_checked"]
        since, until = _version(str(span["possible_since"])), _version(str(span["possible_until"]))
        return since <= self.version < until

    @property
    def unmeasured(self) -> bool:
        """Whether this release is newer than any with a measured launch."""
        return self.version > _version(str(vllm_memory()["newest_measured"]))

    def entry(self, key: str) -> dict[str, Any]:
        """The last entry of a `since` list that holds."""
        rows: list[dict[str, Any]] = vllm_memory()[key]
        return [row for row in rows if self._reached(row)][-1]

    def _reached(self, row: dict[str, Any]) -> bool:
        return self.version >= _version(str(row["since"]))

    @property
    def default_utilization(self) -> float:
        """Share of the GPU taken when the user gives none."""
        return float(self.entry("default_utilization")["value"])

    def batch_defaults(self, gpu: Gpu) -> tuple[int, int]:
        """Default (max_num_batched_tokens, max_num_seqs) of the API server on this GPU."""
        small = any(name in gpu.name for name in vllm_memory()["small_batch_chips"])
        size = 0.0 if small else gpu.gib
        rows = [
            row
            for row in vllm_memory()["batch_defaults"]
            if self._reached(row) and size >= row["min_gpu_gib"]
        ]
        row = max(rows, key=lambda found: found["min_gpu_gib"])
        return row["max_num_batched_tokens"], row["max_num_seqs"]

    def sampler_bytes(self) -> tuple[float, float, float]:
        """Bytes per logit at the peak of the sampler: (expected, least, most that is possible)."""
        cost: dict[str, float] = vllm_memory()["sampler_bytes_per_logit"]
        row = self.entry("sampler")
        kinds = {row["kind"], row.get("else", row["kind"])}
        if self.guessed:
            kinds |= {near.entry("sampler")["kind"] for near in self._neighbours()}
        possible = [cost[kind] for kind in kinds]
        return cost[row["kind"]], min(possible), max(possible)

    def _neighbours(self) -> list["Release"]:
        """The two releases before and after: a guess by date is one off as often as not, and often two."""
        known = _released()
        place = [version for version, _ in known].index(self.version)
        return [Release(version) for version, _ in known[max(0, place - 2) : place + 3]]


@cache
def vllm_memory() -> dict[str, Any]:
    """The data file, treated as read-only."""
    data: dict[str, Any] = data_file("vllm_memory.yaml")
    return data


@cache
def release_of(version: str | None, as_of: str | None = None) -> Release | None:
    """Return the release a version text names, else the one that was in use at a date (`YYYY[-MM[-DD]]`).

    Source builds (`main@...`, `0.1.dev7+g1234`) are what was newest at their date. None for releases before
    0.8, whose engine (V0) is not modelled, and where neither text tells anything.
    """
    parsed = _parsed(version)
    if parsed is not None and Version("0.2") <= parsed < Version("1"):  # 25.09 is a container's, not vLLM's
        return Release(parsed) if parsed >= Version("0.8") else None
    day = _day(as_of)
    if day is None:
        return None
    if version is None:
        day -= datetime.timedelta(days=vllm_memory()["usage_lag_days"])
    out = [found for found, date in _released() if date <= day]
    if out:
        return Release(out[-1], guessed=True)
    return Release(_released()[0][0], guessed=True) if version is None and day.year >= 2025 else None


@cache
def _version(text: str) -> Version:
    return Version(text)


@cache
def _released() -> list[tuple[Version, datetime.date]]:
    return [(Version(str(name)), date) for name, date in vllm_memory()["releases"].items()]


def _parsed(version: str | None) -> Version | None:
    for text in (version or "", (version or "").split("+")[0].split(" ")[0]):
        try:
            return Version(Version(text).base_version)
        except InvalidVersion:
            continue
    return None


def _day(text: str | None) -> datetime.date | None:
    parts = str(text or "").split("-")
    try:
        year, month, day = (
            int(parts[i]) if i < len(parts) else default for i, default in enumerate((0, 7, 15))
        )
        return datetime.date(year, month, day)
    except ValueError:
        return None
