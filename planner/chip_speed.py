"""What a GPU can move and compute: its maker's figures, and the share of them that serving engines reach."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from planner.catalogue import InstanceType
from planner.data_files import data_file
from planner.estimate import Estimate


class ChipSpeed(BaseModel):
    """Stated rates of one GPU, dense. Source and date stand in data/chip_speeds.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chip: str
    gpu_memory_mib: int
    """Tells apart two cards with the same chip (A100 40 and 80 GB)."""
    memory_gb_per_second: float
    tflops_16_bit: float
    tflops_8_bit: float | None
    """None where the chip has no 8-bit floating point: it then computes in 16 bits."""
    nvlink: bool
    note: str


def chip_speed(instance_type: InstanceType) -> ChipSpeed:
    """Return the rates of one GPU of this instance type.

    Raises LookupError for a type without GPUs, or with one that has no row.
    """
    if instance_type.chip is None:
        raise LookupError(f"{instance_type.name} has no GPU")
    key = instance_type.chip.name, instance_type.gpu_memory_mib
    if key not in chip_speeds():
        raise LookupError(f"chip_speeds.yaml has no row for {key[0]} with {key[1]} MiB")
    return chip_speeds()[key]


@cache
def chip_speeds() -> Mapping[tuple[str, int], ChipSpeed]:
    """Return all rows by chip name and memory."""
    columns = _data()["columns"]
    made = [ChipSpeed(**dict(zip(columns, row, strict=True))) for row in _data()["rows"].values()]
    return MappingProxyType({(speed.chip, speed.gpu_memory_mib): speed for speed in made})


@cache
def memory_efficiency() -> Estimate:
    """Share of the stated memory bandwidth that decoding reaches."""
    return Estimate(**_data()["efficiency"]["memory"])


@cache
def compute_efficiency() -> Estimate:
    """Share of the stated arithmetic rate that prompts reach."""
    return Estimate(**_data()["efficiency"]["compute"])


def _data() -> dict[str, Any]:
    data: dict[str, Any] = data_file("chip_speeds.yaml")
    return data
