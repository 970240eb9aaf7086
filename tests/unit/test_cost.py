"""Cost by hand-computed examples; prices are those of the catalogue."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.capacity import PoolCapacity, Workload
from planner.catalogue import catalogue
from planner.cost import node_price, stack_cost, token_cost, usd_per_month, usd_per_replica
from planner.estimate import Estimate, exactly
from planner.throughput import Throughput


def pool(name: str, node: str, nodes: tuple[int, int], **fields: Any) -> PoolCapacity:
    return PoolCapacity(name=name, node=catalogue()[node], min_nodes=nodes[0], max_nodes=nodes[1], **fields)


def work(model: str, on: str, gpus: int, replicas: tuple[int, int]) -> Workload:
    path = f"models.{model}.versions.v1"
    least, most = replicas
    return Workload(path=path, model=model, pool=on, gpus=gpus, min_replicas=least, max_replicas=most)


def expected(tokens_per_second: Estimate, prompt_share: float = 0.25, kind: Any = "estimate") -> Throughput:
    return Throughput(
        kind=kind,
        output_tokens_per_second=tokens_per_second,
        requests_per_second=exactly(1),
        tpot_seconds=exactly(1),
        ttft_seconds=exactly(1),
        prompt_share=prompt_share,
        basis="an example",
    )


def test_the_stack_is_the_sum_of_its_pools_at_both_bounds() -> None:
    pools = [pool("l4", "g6.2xlarge", (2, 10)), pool("l40s", "g6e.12xlarge", (0, 3))]
    works = [work("chat", "l4", 1, (2, 4)), work("large", "l40s", 4, (1, 1))]
    cost = stack_cost(pools, works)

    # l4: 2 and 10 x 0.9776; l40s: its minimum is 0, but one replica needs one node: 1 and 3 x 10.4926
    assert cost.usd_min == pytest.approx(1.9552 + 10.4926)
    assert cost.usd_max == pytest.approx(9.776 + 31.4778)
    assert [(c.pool, c.nodes_min, c.nodes_max) for c in cost.pools] == [("l4", 2, 10), ("l40s", 1, 3)]
    assert cost.idle_usd_min == pytest.approx(0)


def test_a_model_pays_for_its_gpus_part_of_a_node() -> None:
    cost = stack_cost([pool("l40s", "g6e.12xlarge", (1, 2))], [work("chat", "l40s", 1, (2, 6))])
    (model,) = cost.models

    assert (model.gpus_min, model.gpus_max) == (2, 6)
    assert model.usd_min == pytest.approx(10.4926 / 4 * 2)
    assert model.usd_max == pytest.approx(10.4926 / 4 * 6)
    assert cost.idle_usd_min == pytest.approx(10.4926 / 2), "half the node is nobody's"


def test_versions_of_a_model_are_added_up() -> None:
    works = [work("chat", "l4", 1, (1, 1)), work("chat", "l4", 1, (1, 2)), work("other", "l4", 1, (1, 1))]
    models = stack_cost([pool("l4", "g6.xlarge", (3, 4))], works).models

    assert [(m.model, m.usd_min, m.usd_max) for m in models] == [
        ("chat", pytest.approx(2 * 0.8048), pytest.approx(3 * 0.8048)),
        ("other", pytest.approx(0.8048), pytest.approx(0.8048)),
    ]


def test_a_price_that_is_not_known_is_not_zero() -> None:
    cost = stack_cost([pool("h200", "p5e.48xlarge", (1, 1))], [work("chat", "h200", 8, (1, 1))])
    assert (cost.usd_min, cost.models[0].usd_min, cost.idle_usd_min) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({}, (0.9776, "catalogue on-demand")),
        ({"capacity": "reservation"}, (0.9776, "catalogue on-demand")),
        ({"capacity": "spot"}, (0.9776, "on-demand as upper bound")),
        ({"capacity": "spot", "usd_per_hour": 0.4}, (0.4, "given")),
    ],
)
def test_the_price_says_what_kind_it_is(fields: dict[str, Any], price: tuple[float, str]) -> None:
    assert node_price(pool("l4", "g6.2xlarge", (1, 1), **fields)) == price


def test_a_system_pool_costs_and_has_no_replica_price() -> None:
    system = pool("system", "m7i.2xlarge", (3, 6))
    assert stack_cost([system], []).usd_min == pytest.approx(3 * 0.4032)
    assert usd_per_replica(system, 1) is None


def test_a_million_tokens_at_full_use_is_the_figure_a_peer_got_wrong() -> None:
    # ai-on-eks PR 364 publishes 1.94 USD for a g6e.12xlarge at 842 tokens/s; its own formula gives 3.46
    cost = token_cost(10.4926, expected(exactly(842)), input_tokens=1000, output_tokens=500, utilisation=1)
    assert cost.usd_per_million_output.likely == pytest.approx(3.4615, rel=1e-4)


def test_utilisation_and_split_are_what_they_say() -> None:
    cost = token_cost(
        3.6,
        expected(Estimate(low=50, likely=100, high=200)),
        input_tokens=300,
        output_tokens=100,
        utilisation=0.5,
    )

    # 3.6 USD by 100 x 0.5 x 3600 = 180,000 tokens
    output = cost.usd_per_million_output
    assert (output.low, output.likely, output.high) == pytest.approx((10, 20, 40))
    # three tokens in for one out: four tokens share the cost of one
    assert cost.usd_per_million.likely == pytest.approx(5)
    # a quarter of the time goes to three million tokens in, the rest to one million out
    assert cost.usd_per_million_input_split.likely == pytest.approx(20 * 0.25 / 3)
    assert cost.usd_per_million_output_split.likely == pytest.approx(15)
    assert (cost.utilisation, cost.input_tokens, cost.output_tokens) == (0.5, 300, 100)


@given(st.floats(0.01, 1), st.integers(1, 10_000), st.integers(1, 10_000), st.floats(0, 1))
def test_the_split_adds_up_to_the_whole(
    utilisation: float, tokens_in: int, tokens_out: int, prompt_share: float
) -> None:
    cost = token_cost(
        1, expected(exactly(100), prompt_share), input_tokens=tokens_in, output_tokens=tokens_out,
        utilisation=utilisation,
    )  # fmt: skip
    whole = cost.usd_per_million_output.likely
    split = (
        cost.usd_per_million_input_split.likely * tokens_in / tokens_out
        + cost.usd_per_million_output_split.likely
    )
    assert split == pytest.approx(whole)
    assert cost.usd_per_million.likely * (tokens_in + tokens_out) / tokens_out == pytest.approx(whole)


@pytest.mark.parametrize("utilisation", [0, -0.1, 1.1])
def test_a_utilisation_that_cannot_be_is_refused(utilisation: float) -> None:
    with pytest.raises(ValueError, match="utilisation"):
        token_cost(1, expected(exactly(1)), input_tokens=1, output_tokens=1, utilisation=utilisation)


def test_a_month_has_730_hours() -> None:
    assert usd_per_month(2) == 1460
