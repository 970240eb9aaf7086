"""vCPU quotas that the pools need, by the families in which AWS counts them."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.ec2_limits import limits

Capacity = Literal["on-demand", "spot", "capacity-block", "reservation"]


class Quota(BaseModel):
    """One quota of the Service Quotas API (service `ec2`), in vCPUs per region and account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    code: str


class QuotaNeed(BaseModel):
    """What the pools take of one quota."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quota: Quota
    vcpus_min: int
    """With every pool at its fewest nodes."""
    vcpus_max: int
    """With every pool at its most nodes, and the nodes that a node update adds before it takes any away."""


def known_quotas() -> tuple[Quota, ...]:
    """All quotas that pools may count in."""
    return tuple(quota for market in _quotas().values() for quota in market.values())


def quota_of(instance_type: str, capacity: Capacity) -> Quota | None:
    """Return the quota that nodes of this type count in.

    None where there is none to name: a capacity block has its own, in instances; a reservation is counted in
    the on-demand quota when it is made.
    """
    if capacity == "capacity-block":
        return None
    letters, generation = _family(instance_type)
    spot = capacity == "spot"
    table = _quotas()["spot" if spot else "on_demand"]
    if letters in ("g", "gr", "vt"):
        return table["g"]
    if letters == "p":
        if not spot:
            return table["p"]
        return table.get({4: "p4", 5: "p5"}.get(generation, ""))
    return table["standard"]


def quota_needs(nodes: Iterable[tuple[str, Capacity, int, int, int]]) -> list[QuotaNeed]:
    """Sum what pools need, given as (instance type, capacity, vCPUs of a node, fewest nodes, most nodes).

    Pools whose quota is not known are left out. Sorted by the quota's name.
    """
    sums: dict[str, QuotaNeed] = {}
    for instance_type, capacity, vcpus, fewest, most in nodes:
        quota = quota_of(instance_type, capacity)
        if quota is None:
            continue
        before = sums.get(quota.code)
        sums[quota.code] = QuotaNeed(
            quota=quota,
            vcpus_min=vcpus * fewest + (before.vcpus_min if before else 0),
            vcpus_max=vcpus * most + (before.vcpus_max if before else 0),
        )
    return sorted(sums.values(), key=lambda need: need.quota.name)


@cache
def _quotas() -> dict[str, dict[str, Quota]]:
    data = limits()["quotas"]
    return {
        market: {key: Quota(**row) for key, row in data[market].items()} for market in ("on_demand", "spot")
    }


def _family(instance_type: str) -> tuple[str, int]:
    match = re.match(r"([a-z]+)(\d+)", instance_type)
    if match is None:
        raise ValueError(f"{instance_type!r} is not an instance type")
    return match[1], int(match[2])
