"""What a cluster's AWS parts cost per hour: control plane, network, keys, nodes with their disks. Pure.

`planner.cost` says what nodes cost by model; this adds what lies around them.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from planner.capacity import PoolCapacity
from planner.cost import HOURS_PER_MONTH, node_price
from planner.data_files import data_file

FREE_IOPS, FREE_MIB_PER_SECOND = 3000, 125
"""What a gp3 volume has without paying for more (AWS documentation of gp3)."""


class PoolParts(BaseModel):
    """A pool and the volume of each of its nodes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: PoolCapacity
    disk_gib: int
    disk_iops: int
    disk_mib_per_second: int


class ClusterParts(BaseModel):
    """What there is to pay for beside the pools."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extended_support: bool
    nat_gateways: int
    interface_endpoints: int
    """Endpoints times zones."""
    load_balancers: int
    volumes_gib: int
    """gp3 volumes of pods, beside the nodes' own."""
    kms_keys: int


class CostLine(BaseModel):
    """One line of the sum, US dollars per hour with every pool at its minimum and at its maximum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    min_usd: float
    max_usd: float
    note: str = ""


def cluster_cost(parts: ClusterParts, pools: Iterable[PoolParts]) -> list[CostLine]:
    """Lines of what the cluster costs per hour; what costs nothing has no line.

    Spot and reserved nodes count as on demand, which is their upper bound; a type without a price counts as 0
    and says so. Traffic, logs and requests are left out.
    """
    plane = "control_plane_extended" if parts.extended_support else "control_plane"
    fixed = [
        ("control plane", _usd(plane)),
        ("NAT gateways", parts.nat_gateways * (_usd("nat_gateway") + _usd("public_ipv4"))),
        ("interface endpoints", parts.interface_endpoints * _usd("interface_endpoint")),
        ("load balancers", parts.load_balancers * _usd("load_balancer")),
        ("volumes", parts.volumes_gib * _usd("gp3_gib_month") / HOURS_PER_MONTH),
        ("KMS keys", parts.kms_keys * _usd("kms_key_month") / HOURS_PER_MONTH),
    ]
    lines = [CostLine(what=what, min_usd=usd, max_usd=usd) for what, usd in fixed if usd]
    return lines + [_pool(pool) for pool in pools]


def total(lines: Iterable[CostLine]) -> CostLine:
    """The sum of all lines, with the notes of those that have one."""
    all_lines = list(lines)
    return CostLine(
        what="in all",
        min_usd=sum(line.min_usd for line in all_lines),
        max_usd=sum(line.max_usd for line in all_lines),
        note="; ".join(f"{line.what}: {line.note}" for line in all_lines if line.note),
    )


def _pool(parts: PoolParts) -> CostLine:
    pool = parts.pool
    price, kind = node_price(pool)
    node = (price or 0) + _disk(parts)
    return CostLine(
        what=f"pool {pool.name}: {pool.min_nodes}-{pool.max_nodes} x {pool.node.name}",
        min_usd=pool.min_nodes * node,
        max_usd=pool.max_nodes * node,
        note="" if kind == "catalogue on-demand" else f"price of a node: {kind}",
    )


def _disk(parts: PoolParts) -> float:
    month = (
        parts.disk_gib * _usd("gp3_gib_month")
        + (parts.disk_iops - FREE_IOPS) * _usd("gp3_iops_month")
        + (parts.disk_mib_per_second - FREE_MIB_PER_SECOND) * _usd("gp3_mib_s_month")
    )
    return month / HOURS_PER_MONTH


def _usd(row: str) -> float:
    prices: dict[str, Any] = data_file("aws_prices.yaml")["rows"]
    return float(prices[row]["usd"])
