"""Support of versions, images and drivers, and the cost of a cluster."""

from datetime import date

import pytest

from planner.capacity import PoolCapacity
from planner.catalogue import catalogue
from planner.cluster_cost import ClusterParts, PoolParts, cluster_cost, total
from planner.eks import (
    addon_versions,
    core_addons,
    image_gpu_problem,
    images,
    support_calendar,
    support_findings,
    support_note,
)
from planner.finding import Severity
from planner.quota import Capacity

PLAIN = ClusterParts(
    extended_support=False,
    nat_gateways=0,
    interface_endpoints=0,
    load_balancers=0,
    volumes_gib=0,
    kms_keys=0,
)


def size(instance_type: str, least: int, most: int, capacity: Capacity = "on-demand") -> PoolParts:
    pool = PoolCapacity(
        name="p", node=catalogue()[instance_type], min_nodes=least, max_nodes=most, capacity=capacity
    )
    return PoolParts(
        pool=pool,
        disk_gib=100,
        disk_iops=3000,
        disk_mib_per_second=125,
    )


@pytest.mark.parametrize(
    ("version", "today", "severity"),
    [
        ("1.35", date(2026, 11, 26), None),
        ("1.35", date(2027, 3, 1), Severity.WARNING),
        ("1.35", date(2027, 3, 27), Severity.WARNING),
        ("1.35", date(2027, 3, 28), Severity.WARNING),
        ("1.35", date(2028, 3, 27), Severity.WARNING),
        ("1.35", date(2028, 3, 28), Severity.ERROR),
        ("1.31", date(2026, 11, 26), Severity.WARNING),
        ("1.31", date(2026, 11, 27), Severity.ERROR),
        ("1.99", date(2026, 11, 26), Severity.ERROR),
    ],
)
def test_support_is_judged_by_the_day(version: str, today: date, severity: Severity | None) -> None:
    found = [f.severity for f in support_findings(version, today, "cluster.kubernetes_version")]
    assert found == ([severity] if severity else [])


def test_the_days_left_are_told() -> None:
    today = date(2026, 11, 26)
    assert support_note("1.35", today) == "standard support of 1.35 ends 2027-03-27, in 121 days"
    assert support_note("1.33", today) == "extended support of 1.33 ends 2027-07-29, in 245 days"


def test_every_version_has_twelve_months_of_extended_support() -> None:
    for version, support in support_calendar().items():
        assert (support.extended_until - support.standard_until).days in (365, 366), version


def test_a_set_of_add_ons_is_whole() -> None:
    assert set(addon_versions("1.35")) == set(core_addons())
    assert dict(addon_versions("1.99")) == {}


@pytest.mark.parametrize("image", sorted(images()))
def test_every_gpu_type_of_the_catalogue_runs_on_each_image_but_g7(image: str) -> None:
    refused = {
        t.name.split(".")[0] for t in catalogue().values() if t.gpus and image_gpu_problem(image, t, "1.35")
    }
    assert refused == {"g7"}


def test_bottlerocket_has_the_driver_from_a_version_on_only() -> None:
    assert image_gpu_problem("bottlerocket", catalogue()["g6.2xlarge"], "1.33") is not None
    assert image_gpu_problem("al2023", catalogue()["g6.2xlarge"], "1.33") is None


def test_cost_is_the_sum_of_its_parts() -> None:
    disk = 100 * 0.08 / 730
    parts = ClusterParts(
        extended_support=False,
        nat_gateways=2,
        interface_endpoints=6,
        load_balancers=1,
        volumes_gib=200,
        kms_keys=1,
    )
    lines = cluster_cost(parts, [size("g6.2xlarge", 1, 8)])
    assert [(line.what, round(line.min_usd, 6), round(line.max_usd, 6)) for line in lines] == [
        ("control plane", 0.1, 0.1),
        ("NAT gateways", 0.1, 0.1),
        ("interface endpoints", 0.06, 0.06),
        ("load balancers", 0.0225, 0.0225),
        ("volumes", round(16 / 730, 6), round(16 / 730, 6)),
        ("KMS keys", round(1 / 730, 6), round(1 / 730, 6)),
        ("pool p: 1-8 x g6.2xlarge", round(0.9776 + disk, 6), round(8 * (0.9776 + disk), 6)),
    ]
    assert total(lines).min_usd == pytest.approx(0.1 + 0.1 + 0.06 + 0.0225 + 17 / 730 + 0.9776 + disk)


def test_extended_support_costs_six_times_as_much() -> None:
    extended = PLAIN.model_copy(update={"extended_support": True})
    assert [line.min_usd for line in cluster_cost(extended, [])] == [0.6]


def test_faster_disks_cost_more_and_spot_is_counted_as_on_demand() -> None:
    fast = size("m7i.large", 1, 1, "spot").model_copy(update={"disk_iops": 4000, "disk_mib_per_second": 1000})
    (_, line) = cluster_cost(PLAIN, [fast])
    assert line.min_usd == pytest.approx(0.1008 + (8 + 1000 * 0.005 + 875 * 0.04) / 730)
    assert line.note == "price of a node: on-demand as upper bound"


def test_a_type_without_a_price_is_told() -> None:
    lines = cluster_cost(PLAIN, [size("p5e.48xlarge", 1, 1)])
    assert "none listed" in total(lines).note
