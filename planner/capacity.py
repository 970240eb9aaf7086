"""GPUs and nodes that versions need on their pools, at the fewest and the most replicas and in a roll."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
    grows: bool = True
    """False: nobody adds nodes, so that the fewest are all there are."""
    capacity: Capacity = "on-demand"
    update_adds_nodes: int = Field(default=0, ge=0)
    """Nodes that an update of the node group adds before it takes any away: none with MINIMAL, up to twice
    the number of zones with DEFAULT (EKS user guide, managed-node-update-behavior)."""
    usd_per_hour: float | None = None
    """Of one node, where it is not the catalogue's on-demand price: another region, spot, a contract."""


class Workload(BaseModel):
    """One version on its pool, or the gateway: equal replicas, each whole on one node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Dotted path of its settings."""
    model: str
    """What its cost is booked on."""
    pool: str
    gpus: int = Field(default=0, ge=0)
    """GPUs of one replica."""
    cpu_millicores: int = Field(default=0, ge=0)
    memory_mib: int = Field(default=0, ge=0)
    """What one replica asks of a node beside GPUs."""
    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=0)
    surge: int = Field(default=1, ge=0)
    """Replicas that a rolling update adds before it takes any away (maxSurge)."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"{self.path}: min {self.min_replicas} above max {self.max_replicas}")
        return self

    @property
    def size(self) -> "Size":
        """What one replica takes of a node."""
        return self.gpus, self.memory_mib, self.cpu_millicores


Size = tuple[int, int, int]
"""GPUs, MiB of memory and CPU millicores."""


class PoolNeed(BaseModel):
    """What the workloads of one pool need of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: str
    gpus_min: int
    gpus_max: int
    gpus_surge: int
    """Further GPUs while the largest version that adds replicas rolls; the others wait their turn."""
    nodes_min: int
    nodes_max: int
    nodes_surge: int
    """Nodes for all of it, replicas being packed onto nodes without splitting any."""


def pool_needs(pools: Sequence[PoolCapacity], workloads: Sequence[Workload]) -> dict[str, PoolNeed]:
    """Sum what workloads need of each pool; those that ask for nothing or on no pool of these count nothing.

    A replica lies on one node. Larger replicas are packed first: at most 11/9 of the fewest nodes possible,
    and exactly those for GPUs in powers of two.
    """
    return {
        pool.name: _need(pool, [w for w in workloads if w.pool == pool.name and any(w.size)])
        for pool in pools
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


def nodes_for(node: InstanceType, replicas: Iterable[tuple[Size, int]]) -> int:
    """Nodes that hold `replicas`, given as size and count, each size once: first fit in falling size.

    Raises ValueError for a replica larger than the node.
    """
    whole, nodes = _room(node), 0
    free: list[list[int]] = []
    sizes = sorted(replicas, reverse=True)
    all_take_gpus = all(size[0] for size, _ in sizes)
    for size, count in sizes:
        if any(wanted > have for wanted, have in zip(size, whole, strict=True)):
            raise ValueError(f"a replica of {size} does not fit a {node.name}, which has {whole}")
        first = 0  # nodes before it have no room for this size
        for _ in range(count):
            while first < len(free) and any(w > h for w, h in zip(size, free[first], strict=True)):
                first += 1
            if first == len(free):
                free.append(list(whole))
                nodes += 1
            free[first] = [have - wanted for wanted, have in zip(size, free[first], strict=True)]
        if all_take_gpus:  # a node without a GPU left holds nothing more
            free = [room for room in free if room[0]]
    return nodes


def _room(node: InstanceType) -> Size:
    return node.gpus, node.allocatable_memory_mib, node.allocatable_cpu_millicores


def _need(pool: PoolCapacity, workloads: Sequence[Workload]) -> PoolNeed:
    whole = _room(pool.node)
    # what fits no node is told elsewhere
    fitting = [w for w in workloads if all(a <= b for a, b in zip(w.size, whole, strict=True))]
    fewest, most = Counter[Size](), Counter[Size]()
    for work in fitting:
        fewest[work.size] += work.min_replicas
        most[work.size] += work.max_replicas
    surge = max((w for w in fitting if w.surge), key=lambda w: (w.surge * w.gpus, w.size), default=None)
    rolling = most + Counter({surge.size: surge.surge}) if surge else most
    return PoolNeed(
        pool=pool.name,
        gpus_min=sum(size[0] * count for size, count in fewest.items()),
        gpus_max=sum(size[0] * count for size, count in most.items()),
        gpus_surge=surge.gpus * surge.surge if surge else 0,
        nodes_min=nodes_for(pool.node, fewest.items()),
        nodes_max=nodes_for(pool.node, most.items()),
        nodes_surge=nodes_for(pool.node, rolling.items()),
    )


def _pool_findings(pool: PoolCapacity, need: PoolNeed) -> Iterator[Finding]:
    bound, nodes = ("max", pool.max_nodes) if pool.grows else ("min", pool.min_nodes)
    path = f"pools.{pool.name}.{bound}"
    gpus = nodes * pool.node.gpus
    have = f"{nodes} x {pool.node.name} have {gpus} GPUs" if gpus else f"a node is a {pool.node.name}"
    is_ = f"is {nodes}" if pool.grows else f"is {nodes}, and nobody adds nodes"
    if need.nodes_min > nodes:
        yield error(
            path,
            f"{is_}: the fewest replicas need {_needs(need.gpus_min, need.nodes_min)}, and {have}",
            f"make it {need.nodes_min} or more, or lower replicas",
            id="pool-too-small",
        )
    elif need.nodes_max > nodes:
        yield warning(
            path,
            f"{is_}: the most replicas need {_needs(need.gpus_max, need.nodes_max)}, and {have}",
            f"make it {need.nodes_max} or more, or lower scaling.max",
            id="pool-below-maximum",
        )
    elif need.nodes_surge > nodes:
        more = f"{need.gpus_surge} GPUs more, " if need.gpus_surge else ""
        yield warning(
            path,
            f"{is_}: a rolling update at the most replicas needs {more}{need.nodes_surge} nodes in all, "
            f"and {have}",
            f"make it {need.nodes_surge} or more, or set surge: false",
            id="pool-without-surge",
        )


def _needs(gpus: int, nodes: int) -> str:
    return f"{gpus} GPUs on {nodes} nodes" if gpus else f"{nodes} nodes"
