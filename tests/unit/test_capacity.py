"""GPUs, nodes, surge and quotas, by hand-computed examples."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from planner.capacity import PoolCapacity, Workload, capacity_findings, nodes_for, pool_needs, quotas
from planner.catalogue import catalogue
from planner.quota import quota_of


def pool(name: str = "l4", node: str = "g6.2xlarge", **fields: Any) -> PoolCapacity:
    return PoolCapacity(name=name, node=catalogue()[node], **{"min_nodes": 1, "max_nodes": 4} | fields)


def work(replicas: tuple[int, int], gpus: int = 1, **fields: Any) -> Workload:
    path = "models.chat.versions.v1"
    defaults = {"path": path, "model": "chat", "pool": "l4"}
    return Workload(gpus=gpus, min_replicas=replicas[0], max_replicas=replicas[1], **defaults | fields)


def test_needs_are_summed_over_the_versions_of_a_pool() -> None:
    need = pool_needs([pool()], [work((1, 2)), work((2, 3), surge=0)])["l4"]

    assert (need.gpus_min, need.gpus_max, need.gpus_surge) == (3, 5, 1)
    assert (need.nodes_min, need.nodes_max, need.nodes_surge) == (3, 5, 6)


def test_the_largest_surge_counts_once_because_versions_roll_one_at_a_time() -> None:
    box = pool("box", "g6e.12xlarge")
    works = [work((1, 1), gpus=4, pool="box"), work((1, 1), gpus=2, pool="box")]
    need = pool_needs([box], works)["box"]

    assert need.gpus_surge == 4
    # 4 + 2 on two nodes, and 4 more on a third
    assert (need.nodes_max, need.nodes_surge) == (2, 3)


def test_what_has_no_gpu_or_no_pool_counts_nothing() -> None:
    need = pool_needs([pool()], [work((3, 6), gpus=0), work((1, 1), pool="elsewhere")])["l4"]
    assert (need.gpus_max, need.nodes_max) == (0, 0)


def gpus(replicas: dict[int, int]) -> list[tuple[tuple[int, int, int], int]]:
    return [((size, 0, 0), count) for size, count in replicas.items()]


@pytest.mark.parametrize(
    ("node", "replicas", "nodes"),
    [
        ("g6.2xlarge", {1: 5}, 5),
        ("g6.12xlarge", {1: 5}, 2),
        ("g6.12xlarge", {4: 2, 1: 1}, 3),
        ("g6.12xlarge", {2: 3, 1: 2}, 2),
        ("p5.48xlarge", {}, 0),
        ("m7i.2xlarge", {}, 0),
    ],
)
def test_replicas_are_packed_without_splitting(node: str, replicas: dict[int, int], nodes: int) -> None:
    assert nodes_for(catalogue()[node], gpus(replicas)) == nodes


def test_replicas_share_nodes_by_processors_and_memory_too() -> None:
    node = catalogue()["g6.12xlarge"]  # 4 GPUs, 47,810m, 178,933 MiB
    assert nodes_for(node, [((1, 0, 20_000), 4)]) == 2
    assert nodes_for(node, [((0, 100_000, 0), 2)]) == 2
    assert nodes_for(node, [((4, 0, 0), 1), ((0, 100_000, 0), 1)]) == 1, "beside GPUs there is memory left"


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.integers(0, 20)))
def test_for_sizes_that_divide_one_another_no_node_is_wasted(replicas: dict[int, int]) -> None:
    needed = sum(size * count for size, count in replicas.items())
    assert nodes_for(catalogue()["p5.48xlarge"], gpus(replicas)) == -(-needed // 8)


def test_a_replica_larger_than_a_node_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a replica of \(8, 0, 0\) does not fit a g6.12xlarge"):
        nodes_for(catalogue()["g6.12xlarge"], gpus({8: 1}))


def test_a_pool_of_processors_holds_the_gateway() -> None:
    system = pool("system", "m7i.2xlarge", min_nodes=1, max_nodes=1)
    door = work((3, 6), gpus=0, pool="system", cpu_millicores=3000, memory_mib=1536)
    need = pool_needs([system], [door])["system"]
    assert (need.nodes_min, need.nodes_max) == (2, 3)
    (finding,) = capacity_findings([system], [door])
    assert finding.message == "is 1: the fewest replicas need 2 nodes, and a node is a m7i.2xlarge"


def test_where_nobody_adds_nodes_the_fewest_must_do() -> None:
    fixed = pool(min_nodes=2, max_nodes=4, grows=False)
    (finding,) = capacity_findings([fixed], [work((3, 3))])
    assert (finding.path, finding.id) == ("pools.l4.min", "pool-too-small")


@pytest.mark.parametrize(
    ("max_nodes", "replicas", "surge", "found"),
    [
        (4, (1, 3), 1, []),
        (3, (1, 3), 0, []),
        (3, (1, 3), 1, ["pool-without-surge"]),
        (2, (1, 3), 1, ["pool-below-maximum"]),
        (2, (3, 3), 1, ["pool-too-small"]),
    ],
)
def test_a_pool_that_is_too_small_is_found(
    max_nodes: int, replicas: tuple[int, int], surge: int, found: list[str]
) -> None:
    findings = capacity_findings([pool(max_nodes=max_nodes)], [work(replicas, surge=surge)])
    assert [finding.id for finding in findings] == found


def test_the_finding_gives_both_numbers_and_the_setting() -> None:
    (finding,) = capacity_findings([pool(max_nodes=2)], [work((3, 3))])
    assert str(finding) == (
        "pools.l4.max: is 2: the fewest replicas need 3 GPUs on 3 nodes, and 2 x g6.2xlarge have 2 GPUs; "
        "make it 3 or more, or lower replicas"
    )


def test_quotas_are_summed_by_the_families_aws_counts() -> None:
    pools = [
        pool("l4", min_nodes=2, max_nodes=4),  # 8 vCPUs each
        pool("l40s", "g6e.12xlarge", min_nodes=0, max_nodes=2, update_adds_nodes=3),  # 48 each
        pool("system", "m7i.2xlarge", min_nodes=3, max_nodes=6),  # 8 each
        pool("spare", "g6.xlarge", min_nodes=0, max_nodes=1, capacity="spot"),
        pool("block", "p5.48xlarge", min_nodes=1, max_nodes=1, capacity="capacity-block"),
    ]
    needs = {need.quota.code: (need.vcpus_min, need.vcpus_max) for need in quotas(pools)}

    assert needs == {
        "L-DB2E81BA": (16, 4 * 8 + 5 * 48),
        "L-1216C47A": (24, 48),
        "L-3819A6DF": (0, 4),
    }


@pytest.mark.parametrize(
    ("instance_type", "capacity", "name"),
    [
        ("g6.2xlarge", "on-demand", "Running On-Demand G and VT instances"),
        ("p5.48xlarge", "on-demand", "Running On-Demand P instances"),
        ("p6-b200.48xlarge", "reservation", "Running On-Demand P instances"),
        ("p4de.24xlarge", "spot", "All P4, P3 and P2 Spot Instance Requests"),
        ("p5en.48xlarge", "spot", "All P5 Spot Instance Requests"),
        ("c7a.large", "spot", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"),
        ("p6-b200.48xlarge", "spot", None),
        ("p5.48xlarge", "capacity-block", None),
    ],
)
def test_a_type_counts_in_the_quota_that_aws_names(
    instance_type: str, capacity: Any, name: str | None
) -> None:
    quota = quota_of(instance_type, capacity)
    assert (quota.name if quota else None) == name


def test_every_type_of_the_catalogue_has_an_on_demand_quota() -> None:
    assert all(quota_of(name, "on-demand") for name in catalogue())


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match="min 3 above max 2"):
        work((3, 2))
