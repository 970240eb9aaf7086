"""What a cluster's AWS parts cost per hour: a sum over `data/aws_prices.yaml` and the catalogue. Pure."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from planner.catalogue import catalogue
from planner.pools import PoolSize

FREE_IOPS, FREE_MIB_PER_SECOND = 3000, 125
"""What a gp3 volume has without paying for more (AWS documentation of gp3)."""


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


def cluster_cost(parts: ClusterParts, pools: Iterable[PoolSize]) -> list[CostLine]:
    """Lines of what the cluster costs per hour; what costs nothing has no line.

    Spot and reserved nodes count as on demand, which is their upper bound; a type without a price counts as 0
    and says so. Traffic, logs and requests are left out.
    """
    month = _data()["hours_per_month"]
    plane = "control_plane_extended" if parts.extended_support else "control_plane"
    fixed = [
        ("control plane", _usd(plane)),
        ("NAT gateways", parts.nat_gateways * (_usd("nat_gateway") + _usd("public_ipv4"))),
        ("interface endpoints", parts.interface_endpoints * _usd("interface_endpoint")),
        ("load balancers", parts.load_balancers * _usd("load_balancer")),
        ("volumes", parts.volumes_gib * _usd("gp3_gib_month") / month),
        ("KMS keys", parts.kms_keys * _usd("kms_key_month") / month),
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


def _pool(pool: PoolSize) -> CostLine:
    price = catalogue()[pool.instance_type].usd_per_hour
    notes = {
        "on-demand": "",
        "spot": "counted as on demand",
        "reservation": "counted as on demand, paid also when unused",
        "capacity-block": "paid ahead, counted as on demand",
    }
    node = (price or 0) + _disk(pool)
    return CostLine(
        what=f"pool {pool.name}: {pool.min}-{pool.max} x {pool.instance_type}",
        min_usd=pool.min * node,
        max_usd=pool.max * node,
        note=notes[pool.capacity] if price is not None else "no price known for the type",
    )


def _disk(pool: PoolSize) -> float:
    month = (
        pool.disk_gib * _usd("gp3_gib_month")
        + (pool.disk_iops - FREE_IOPS) * _usd("gp3_iops_month")
        + (pool.disk_mib_per_second - FREE_MIB_PER_SECOND) * _usd("gp3_mib_s_month")
    )
    return float(month / _data()["hours_per_month"])


def _usd(row: str) -> float:
    return float(_data()["rows"][row]["usd"])


@cache
def _data() -> dict[str, Any]:
    text = files("planner").joinpath("data/aws_prices.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
