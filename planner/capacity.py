"""GPUs and nodes that versions need on their pools, at the fewest and the most replicas and in a roll."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from planner.catalogue import InstanceType
from planner.finding import Finding, error, warning
from planner.quota import Capacity, QuotaNeed, quota_needs


class PoolCapacity(BaseModel):
    """Nodes of one kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    node: InstanceType
    min_nodes: int = Field(ge=0)
    max_nodes: int = Field(ge=1)
    capacity: Capacity = "on-demand"
    update_adds_nodes: int = Field(default=0, ge=0)
    """Nodes that an update of the node group adds before it takes any away: none with MINIMAL, up to twice
    the number of zones with DEFAULT (EKS user guide, managed-node-update-behavior)."""
    usd_per_hour: float | None = None
    """Of one node, where it is not the catalogue's on-demand price: another region, spot, a contract."""


class Workload(BaseModel):
    """One version on its pool, or the gateway: replicas that take whole GPUs or a share of a node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Dotted path of its settings."""
    model: str
    """What its cost is booked on."""
    pool: str
    gpus: int = Field(default=0, ge=0)
    """GPUs of one replica."""
    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=0)
    surge: int = Field(default=1, ge=0)
    """Replicas that a rolling update adds before it takes any away (maxSurge)."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"{self.path}: min {self.min_replicas} above max {self.max_replicas}")
        return self


class PoolNeed(BaseModel):
    """What the workloads of one pool need of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: str
    gpus_min: int
    gpus_max: int
    gpus_surge: int
    """Further GPUs while the version with the largest surge rolls; the others wait their turn."""
    nodes_min: int
    nodes_max: int
    nodes_surge: int
    """Nodes for all of it, replicas being packed onto nodes without splitting any."""


def pool_needs(pools: Sequence[PoolCapacity], workloads: Sequence[Workload]) -> dict[str, PoolNeed]:
    """Sum what GPU workloads need of each pool; those without GPUs or on no pool of these count nothing.

    A replica lies on one node. Larger replicas are packed first, so the count of nodes is exact for sizes
    that divide one another, and never too small.
    """
    return {
        pool.name: _need(pool, [w for w in workloads if w.pool == pool.name and w.gpus]) for pool in pools
    }


def capacity_findings(pools: Sequence[PoolCapacity], workloads: Sequence[Workload]) -> list[Finding]:
    """Find pools that cannot hold their workloads, at rest or while one rolls."""
    by_name = {pool.name: pool for pool in pools}
    found: list[Finding] = []
    for name, need in pool_needs(pools, workloads).items():
        found += _pool_findings(by_name[name], need)
    return found


def quotas(pools: Sequence[PoolCapacity]) -> list[QuotaNeed]:
    """Return the vCPU quotas that the pools need at their bounds, node updates included."""
    return quota_needs(
        (
            pool.node.name,
            pool.capacity,
            pool.node.vcpu,
            pool.min_nodes,
            pool.max_nodes + pool.update_adds_nodes,
        )
        for pool in pools
    )


def nodes_for(gpus_per_node: int, replicas: Mapping[int, int]) -> int:
    """Nodes that hold `replicas`, given as GPUs of a replica -> count, first fit in falling size."""
    free: list[int] = []
    for size in sorted((s for s, count in replicas.items() for _ in range(count)), reverse=True):
        if size > gpus_per_node:
            raise ValueError(f"a replica of {size} GPUs does not fit a node of {gpus_per_node}")
        slot = next((i for i, left in enumerate(free) if left >= size), None)
        if slot is None:
            free.append(gpus_per_node - size)
        else:
            free[slot] -= size
    return len(free)


def _need(pool: PoolCapacity, workloads: Sequence[Workload]) -> PoolNeed:
    fitting = [w for w in workloads if w.gpus <= pool.node.gpus]  # what fits no node is told elsewhere
    fewest = _by_size((w.gpus, w.min_replicas) for w in fitting)
    most = _by_size((w.gpus, w.max_replicas) for w in fitting)
    surge = max(fitting, key=lambda w: w.surge * w.gpus, default=None)
    rolling = _by_size([*most.items(), *([(surge.gpus, surge.surge)] if surge else [])])
    per_node = pool.node.gpus
    return PoolNeed(
        pool=pool.name,
        gpus_min=sum(size * count for size, count in fewest.items()),
        gpus_max=sum(size * count for size, count in most.items()),
        gpus_surge=surge.gpus * surge.surge if surge else 0,
        nodes_min=nodes_for(per_node, fewest),
        nodes_max=nodes_for(per_node, most),
        nodes_surge=nodes_for(per_node, rolling),
    )


def _by_size(pairs: Iterator[tuple[int, int]] | Sequence[tuple[int, int]]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for size, count in pairs:
        sizes[size] = sizes.get(size, 0) + count
    return sizes


def _pool_findings(pool: PoolCapacity, need: PoolNeed) -> Iterator[Finding]:
    path, per_node = f"pools.{pool.name}.max", pool.node.gpus
    have = f"{pool.max_nodes} x {pool.node.name} have {pool.max_nodes * per_node} GPUs"
    if need.nodes_min > pool.max_nodes:
        yield error(
            path,
            f"is {pool.max_nodes}: the fewest replicas need {need.gpus_min} GPUs on {need.nodes_min} nodes, "
            f"and {have}",
            f"make it {need.nodes_min} or more, or lower replicas",
            id="pool-too-small",
        )
    elif need.nodes_max > pool.max_nodes:
        yield warning(
            path,
            f"is {pool.max_nodes}: the most replicas need {need.gpus_max} GPUs on {need.nodes_max} nodes, "
            f"and {have}",
            f"make it {need.nodes_max} or more, or lower scaling.max",
            id="pool-below-maximum",
        )
    elif need.nodes_surge > pool.max_nodes:
        yield warning(
            path,
            f"is {pool.max_nodes}: a rolling update at the most replicas needs {need.gpus_surge} GPUs more, "
            f"{need.nodes_surge} nodes in all, and {have}",
            f"make it {need.nodes_surge} or more, or set surge: false",
            id="pool-without-surge",
        )
