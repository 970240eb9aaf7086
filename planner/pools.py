"""What pools of nodes add up to: nodes that models need, vCPUs that quotas must allow. Pure."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from planner.catalogue import InstanceType, catalogue
from planner.eks import family

Capacity = Literal["on-demand", "spot", "capacity-block", "reservation"]


class PoolSize(BaseModel):
    """A pool as far as sums need it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    instance_type: str
    min: int
    max: int
    capacity: Capacity
    disk_gib: int
    disk_iops: int
    disk_mib_per_second: int


class QuotaDemand(BaseModel):
    """vCPUs that must be allowed for every pool to reach its maximum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """Row of `data/aws_quotas.yaml`, as in `on-demand-g`."""
    code: str
    name: str
    vcpus: int


class PodDemand(BaseModel):
    """Equal pods that share a pool's nodes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    gpus: int
    cpu_millicores: int
    memory_mib: int


def quota_demand(pools: Iterable[PoolSize]) -> list[QuotaDemand]:
    """vCPUs per quota with every pool at its maximum; capacity blocks are bought ahead and count for none."""
    sums: dict[str, int] = {}
    for pool in pools:
        if pool.capacity != "capacity-block":
            key = quota_key(pool.instance_type, pool.capacity)
            sums[key] = sums.get(key, 0) + pool.max * catalogue()[pool.instance_type].vcpu
    rows = quota_rows()
    return [QuotaDemand(key=key, vcpus=sums[key], **rows[key]) for key in rows if key in sums]


def quota_key(instance_type: str, capacity: Capacity) -> str:
    """Row of the quota table that an instance counts for."""
    groups = {name: group for group, names in _data()["families"].items() for name in names}
    buying = "spot" if capacity == "spot" else "on-demand"
    return f"{buying}-{groups.get(family(instance_type), 'standard')}"


def quota_rows() -> Mapping[str, Mapping[str, str]]:
    """Code and name of each quota by key."""
    rows: Mapping[str, Mapping[str, str]] = _data()["rows"]
    return rows


def nodes_needed(demands: Iterable[PodDemand], node: InstanceType) -> int | None:
    """Nodes that hold all pods, the largest first onto the first node with room; None if one fits nowhere.

    First fit decreasing needs at most 11/9 of the best packing; with GPUs in powers of two it is the best.
    """
    free: list[list[int]] = []
    size = [node.gpus, node.allocatable_cpu_millicores, node.allocatable_memory_mib]
    for demand in sorted(demands, key=lambda d: (d.gpus, d.memory_mib, d.cpu_millicores), reverse=True):
        need = [demand.gpus, demand.cpu_millicores, demand.memory_mib]
        if any(wanted > have for wanted, have in zip(need, size, strict=True)):
            return None
        for _ in range(demand.count):
            room = next((n for n in free if all(w <= h for w, h in zip(need, n, strict=True))), None)
            if room is None:
                room = list(size)
                free.append(room)
            for i, wanted in enumerate(need):
                room[i] -= wanted
    return len(free)


@cache
def _data() -> dict[str, Any]:
    text = files("planner").joinpath("data/aws_quotas.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
