"""Memory of GPU chips as a program sees it, read once from `data/gpu_memory.yaml`."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from planner.data_files import data_file


class Gpu(BaseModel):
    """One GPU: how much memory a program may use, and what the chip computes with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    gib: float
    """As CUDA reports it; less than the nominal size."""
    error_gib: float = 0.0
    """Standard error: driver versions and ECC move it a little, a guess by name more."""
    compute_capability: tuple[int, int] | None = None

    shared_with_cpu: bool = False
    """One memory for CPU and GPU, as on GB10: what is free depends on everything else that runs."""

    @property
    def hopper_or_later(self) -> bool:
        """Data-centre chips from H100 on and all Blackwell ones."""
        return self.compute_capability is not None and self.compute_capability >= (9, 0)


_MEASURED_ERROR, _NOMINAL_ERROR = 0.003, 0.01
"""Of the memory: spread of one chip's sizes in public logs (79.10-79.33 GiB for H100); other chips."""


@cache
def find_gpu(name: str) -> Gpu | None:
    """Return the chip a free-text GPU name stands for, as in `NVIDIA A100-SXM4-40GB`; None if no row fits.

    EC2 chips of one name and two sizes are told apart by their gigabytes: `A100 40`, `A100 80`.
    """
    text = name.lower()
    return next((gpu for words, gpu in _rows().items() if all(word in text for word in words)), None)


def capability(text: str) -> tuple[int, int]:
    """Return a compute capability such as `8.9` as numbers that compare: (8, 9)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


@cache
def _rows() -> Mapping[tuple[str, ...], Gpu]:
    data = data_file("gpu_memory.yaml")
    found = {}
    for name, row in data["rows"].items():
        values = dict(zip(data["columns"], row, strict=True))
        error = values["gib"] * (_MEASURED_ERROR if values["measured"] else _NOMINAL_ERROR)
        found[tuple(values["match"])] = Gpu(
            name=name,
            gib=values["gib"],
            error_gib=error,
            compute_capability=capability(values["compute_capability"]),
            shared_with_cpu=name in data["shared_with_cpu"],
        )
    return MappingProxyType(found)
