"""What pools, models and the stack cost an hour, and what a million tokens cost. Nodes only.

Not counted: the EKS control plane, load balancers, NAT gateways, volumes, traffic and external providers.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.capacity import PoolCapacity, Workload, pool_needs
from planner.estimate import Estimate
from planner.throughput import Throughput

PriceKind = Literal["catalogue on-demand", "given", "on-demand as upper bound", "none listed"]
HOURS_PER_MONTH = 730
"""365 x 24 / 12, as AWS's own calculator counts."""


class HourlyCost(BaseModel):
    """USD an hour at the fewest and at the most replicas or nodes; None where a price is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd_min: float | None
    usd_max: float | None


class PoolCost(HourlyCost):
    """Cost of one pool."""

    pool: str
    instance_type: str
    nodes_min: int
    """The pool's own bound, or what the fewest replicas need, whichever is more."""
    nodes_max: int
    usd_per_node: float | None
    price: PriceKind


class ModelCost(HourlyCost):
    """A model's share of its pools: its GPUs, each at its part of the node."""

    model: str
    gpus_min: int
    gpus_max: int


class StackCost(HourlyCost):
    """Cost of everything, by pool and by model."""

    pools: tuple[PoolCost, ...]
    models: tuple[ModelCost, ...]
    idle_usd_min: float | None
    """Part of `usd_min` that no model's GPUs take: system pools, GPUs kept free."""


class TokenCost(BaseModel):
    """USD per million tokens of one replica, and what was assumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    utilisation: float
    """Share of the replica's throughput that is really used, over a day."""
    input_tokens: int
    output_tokens: int
    """Of the mean request: their ratio is the split."""
    usd_per_million_output: Estimate
    """All cost on the output tokens."""
    usd_per_million: Estimate
    """All cost on input and output tokens alike."""
    usd_per_million_input_split: Estimate
    usd_per_million_output_split: Estimate
    """Cost by the time that prompts and decoding take, as providers bill."""
    kind: Literal["estimate", "measured"]


def stack_cost(pools: Sequence[PoolCapacity], workloads: Sequence[Workload]) -> StackCost:
    """Return the cost of the stack at the fewest and the most replicas.

    At the fewest, a pool has its own minimum of nodes, or as many as the fewest replicas need. At the most,
    it is at its maximum of nodes, whatever runs on them: what it may cost, not what it will.
    """
    needs = pool_needs(pools, workloads)
    costs = [_pool(pool, max(pool.min_nodes, needs[pool.name].nodes_min)) for pool in pools]
    models = _models(pools, workloads)
    fewest = _sum([cost.usd_min for cost in costs])
    taken = _sum([cost.usd_min for cost in models])
    return StackCost(
        usd_min=fewest,
        usd_max=_sum([cost.usd_max for cost in costs]),
        pools=tuple(costs),
        models=tuple(models),
        idle_usd_min=None if fewest is None or taken is None else fewest - taken,
    )


def usd_per_replica(pool: PoolCapacity, gpus: int) -> float | None:
    """USD an hour of a replica: its GPUs' part of the node. None where the price is not known."""
    price, _ = node_price(pool)
    return None if price is None or not pool.node.gpus else price * gpus / pool.node.gpus


def node_price(pool: PoolCapacity) -> tuple[float | None, PriceKind]:
    """USD an hour of one node, and what kind of price that is."""
    if pool.usd_per_hour is not None:
        return pool.usd_per_hour, "given"
    if pool.node.usd_per_hour is None:
        return None, "none listed"
    on_demand = pool.capacity in ("on-demand", "reservation")
    return pool.node.usd_per_hour, "catalogue on-demand" if on_demand else "on-demand as upper bound"


def token_cost(
    usd_per_hour: float, expected: Throughput, *, input_tokens: int, output_tokens: int, utilisation: float
) -> TokenCost:
    """Return what a million tokens cost on a replica of `usd_per_hour` that does `expected`.

    `utilisation` is above 0 and at most 1; raises ValueError otherwise.
    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is {utilisation}, not above 0 and at most 1")
    used = expected.output_tokens_per_second.scaled(utilisation * 3600 / 1e6)
    output = used.inverse(usd_per_hour)
    ratio = input_tokens / output_tokens
    return TokenCost(
        utilisation=utilisation,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd_per_million_output=output,
        usd_per_million=output.scaled(1 / (1 + ratio)),
        usd_per_million_input_split=output.scaled(expected.prompt_share / ratio),
        usd_per_million_output_split=output.scaled(1 - expected.prompt_share),
        kind=expected.kind,
    )


def usd_per_month(usd_per_hour: float) -> float:
    """A month of an hourly cost."""
    return usd_per_hour * HOURS_PER_MONTH


def _pool(pool: PoolCapacity, nodes_min: int) -> PoolCost:
    price, kind = node_price(pool)
    return PoolCost(
        pool=pool.name,
        instance_type=pool.node.name,
        nodes_min=nodes_min,
        nodes_max=max(pool.max_nodes, nodes_min),
        usd_per_node=price,
        price=kind,
        usd_min=None if price is None else price * nodes_min,
        usd_max=None if price is None else price * max(pool.max_nodes, nodes_min),
    )


def _models(pools: Sequence[PoolCapacity], workloads: Sequence[Workload]) -> list[ModelCost]:
    by_name = {pool.name: pool for pool in pools}
    on_pools = [w for w in workloads if w.pool in by_name and w.gpus]
    return [
        _model(model, [w for w in on_pools if w.model == model], by_name)
        for model in dict.fromkeys(w.model for w in on_pools)
    ]


def _model(model: str, workloads: Sequence[Workload], pools: dict[str, PoolCapacity]) -> ModelCost:
    prices = [usd_per_replica(pools[w.pool], w.gpus) for w in workloads]
    pairs = list(zip(workloads, prices, strict=True))
    return ModelCost(
        model=model,
        gpus_min=sum(w.gpus * w.min_replicas for w in workloads),
        gpus_max=sum(w.gpus * w.max_replicas for w in workloads),
        usd_min=_sum([None if usd is None else usd * w.min_replicas for w, usd in pairs]),
        usd_max=_sum([None if usd is None else usd * w.max_replicas for w, usd in pairs]),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
