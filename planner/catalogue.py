"""EC2 instance types and their GPUs, read once from `data/ec2_types.yaml`."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from planner.data_files import data_file


class Chip(BaseModel):
    """What a GPU can compute with. Source and date stand in the data file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    compute_capability: str
    """CUDA compute capability as major.minor; text, because 12.0 and 12 are not the same name."""
    bf16: bool
    fp8: bool
    """Arithmetic in fp8; chips without it can still hold weights in fp8."""
    fp4: bool
    mig: bool
    note: str


class InstanceType(BaseModel):
    """One EC2 instance type. `chip` is None and `gpus` is 0 for types without GPUs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    chip: Chip | None
    gpus: int
    gpu_memory_mib: int
    """Memory of one GPU as the EC2 API reports it; what a program can use is a little less."""
    vcpu: int
    memory_gib: int
    nvme_gb: int
    """Local NVMe in all, decimal gigabytes; 0 = none."""
    network_gbps: float
    """Baseline bandwidth."""
    efa_interfaces: int
    allocatable_cpu_millicores: int
    allocatable_memory_mib: int
    allocatable_pods: int
    """What is left for pods on AL2023 with default kubelet settings."""
    usd_per_hour: float | None
    """us-east-1 Linux on-demand; None where none is listed."""
    source: str
    price_source: str


@cache
def chips() -> Mapping[str, Chip]:
    """Return all GPU chips by name."""
    return MappingProxyType({name: Chip(name=name, **row) for name, row in _rows(_data()["chips"])})


@cache
def catalogue() -> Mapping[str, InstanceType]:
    """Return all instance types by name, GPU types first."""
    return MappingProxyType(
        {
            name: InstanceType(
                name=name,
                source=group["source"],
                price_source=group["price_source"],
                **row | {"chip": chips()[row["chip"]] if row["chip"] else None},
            )
            for group in (_data()["gpu_types"], _data()["cpu_types"])
            for name, row in _rows(group)
        }
    )


def _data() -> dict[str, Any]:
    data: dict[str, Any] = data_file("ec2_types.yaml")
    return data


def _rows(table: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Pair each row of a table with its column names."""
    columns = table["columns"]
    return [(name, dict(zip(columns, row, strict=True))) for name, row in table["rows"].items()]
