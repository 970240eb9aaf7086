"""The roofline: hand-computed numbers, and measured cases the range must hold."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from planner.catalogue import catalogue
from planner.chip_speed import chip_speed, chip_speeds
from planner.throughput import Measured, ThroughputRequest, bytes_read_per_step, concurrency_of, throughput
from tests.stack_files import ROOT

CASES = yaml.safe_load(Path(__file__).with_name("throughput_cases.yaml").read_text("utf-8"))

BASE: dict[str, Any] = {
    "node": catalogue()["g6.2xlarge"],  # L4: 300 GB/s, 121 TFLOPS
    "gpus": 1,
    "weights_bytes": 16_000_000_000,
    "active_parameters": 8_000_000_000,
    "kv_bytes_per_token": 131_072,
    "input_tokens": 1000,
    "output_tokens": 200,
    "concurrency": 10,
}


def request(**changes: Any) -> ThroughputRequest:
    return ThroughputRequest(**BASE | changes)


def case_request(case: dict[str, Any]) -> ThroughputRequest:
    fields = {key: case[key] for key in ("gpus", "input_tokens", "output_tokens", "concurrency")}
    return ThroughputRequest(node=catalogue()[case["node"]], **CASES["models"][case["model"]], **fields)


def test_the_likely_values_are_those_of_a_hand_computation() -> None:
    # read per step: 16e9 + 10 x (1000 + 100) x 131072 = 17 441 792 000 bytes, by 195e9 B/s (0.65 x 300) =
    # 89.445 ms, so 8.9445 ms a token; arithmetic a token: 2 x 8e9 + 2 x 8e9 x 1000 / 200 = 96e9 by 60.5e12 =
    # 1.5868 ms.
    found = throughput(request())

    assert bytes_read_per_step(request()) == 17_441_792_000
    assert found.kind == "estimate"
    assert found.output_tokens_per_second.likely == pytest.approx(1 / (8.94451e-3 + 1.58678e-3), rel=1e-4)
    assert found.requests_per_second.likely == pytest.approx(94.956 / 200, rel=1e-4)
    assert found.tpot_seconds.likely == pytest.approx(0.105313, rel=1e-4)
    # first token: 16e12 operations by 60.5e12 = 264.46 ms, and 16e9 bytes by 195e9 = 82.05 ms
    assert found.ttft_seconds.likely == pytest.approx(0.34651, rel=1e-4)
    # prompts: 80e9 / 60.5e12 = 1.3223 ms of 10.5313 ms
    assert found.prompt_share == pytest.approx(0.12556, rel=1e-3)


def test_the_bounds_are_the_worst_in_a_row_and_the_best_at_once() -> None:
    found = throughput(request())

    # slow: 17.441792e9 / 135e9 / 10 + 96e9 / 36.3e12
    # fast: the longer of 17.441792e9 / 255e9 / 10 and 96e9 / 84.7e12
    assert found.output_tokens_per_second.low == pytest.approx(1 / (12.91985e-3 + 2.64463e-3), rel=1e-4)
    assert found.output_tokens_per_second.high == pytest.approx(1 / 6.83992e-3, rel=1e-4)


def test_attention_counts_half_the_square_of_the_prompt() -> None:
    plain = throughput(request(input_tokens=16_000, output_tokens=1))
    with_attention = throughput(request(input_tokens=16_000, output_tokens=1, layers=32, hidden=4096))

    # 2 x 32 x 4096 x 16000^2 = 67.1e12 operations by 60.5e12
    added = with_attention.ttft_seconds.likely - plain.ttft_seconds.likely
    assert added == pytest.approx(1.10922, rel=1e-4)


def test_eight_bits_help_only_a_chip_that_computes_in_them() -> None:
    quicker = throughput(request(eight_bit_arithmetic=True)).ttft_seconds.likely
    assert quicker == pytest.approx(0.34651 - 0.26446 / 2, rel=1e-3)
    on_a10g = {"node": catalogue()["g5.2xlarge"]}
    assert throughput(request(**on_a10g)) == throughput(request(**on_a10g, eight_bit_arithmetic=True))


def test_a_mixture_of_experts_reads_what_its_requests_are_routed_to() -> None:
    one = request(active_share=0.1, concurrency=1, kv_bytes_per_token=0)
    assert bytes_read_per_step(one) == pytest.approx(1.6e9)
    ten = request(active_share=0.1, concurrency=10, kv_bytes_per_token=0)
    assert bytes_read_per_step(ten) == pytest.approx(16e9 * (1 - 0.9**10))


def test_a_measured_value_takes_the_place_of_the_estimate() -> None:
    measured = Measured(output_tokens_per_second=120, tpot_seconds=0.08, source="llmserve bench, 2026-11-25")
    found = throughput(request(measured=measured))

    assert found.kind == "measured"
    assert str(found.output_tokens_per_second) == "120"
    assert str(found.tpot_seconds) == "0.08"
    assert found.ttft_seconds == throughput(request()).ttft_seconds, "not measured, so still estimated"
    assert found.basis == "llmserve bench, 2026-11-25"


@pytest.mark.parametrize(
    ("kv_cache_tokens", "concurrency"), [(None, 64), (100_000, 64), (60_000, 50), (600, 1)]
)
def test_a_replica_works_on_what_its_kv_cache_holds(kv_cache_tokens: int | None, concurrency: int) -> None:
    found = concurrency_of(
        input_tokens=1000, output_tokens=200, max_num_seqs=64, kv_cache_tokens=kv_cache_tokens
    )
    assert found == concurrency


def test_it_says_what_it_rests_on() -> None:
    assert throughput(request()).basis == (
        "roofline of 1 x L4 (300 GB/s each), 1000 tokens in, 200 out, 10 at once"
    )
    four = throughput(request(node=catalogue()["g6e.12xlarge"], gpus=4))
    assert "without NVLink, whose traffic is not modelled" in four.basis


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: f"{case['node']}-{case['concurrency']}")
def test_the_range_holds_what_was_measured(case: dict[str, Any]) -> None:
    estimate = throughput(case_request(case)).output_tokens_per_second

    assert case["tokens_per_second"] in estimate
    ratio = estimate.likely / case["tokens_per_second"]
    assert 1 / 1.6 < ratio < 1.6, f"likely is {ratio:.2f} times the measured value"


@given(
    node=st.sampled_from([item for item in catalogue().values() if item.gpus]),
    concurrency=st.integers(1, 512),
    input_tokens=st.integers(1, 100_000),
    output_tokens=st.integers(1, 10_000),
)
def test_more_requests_at_once_never_lower_throughput_or_token_time(
    node: Any, concurrency: int, input_tokens: int, output_tokens: int
) -> None:
    fields = {"node": node, "input_tokens": input_tokens, "output_tokens": output_tokens}
    some = throughput(request(**fields, concurrency=concurrency))
    more = throughput(request(**fields, concurrency=concurrency + 1))

    assert more.output_tokens_per_second.likely >= some.output_tokens_per_second.likely * (1 - 1e-9)
    assert more.tpot_seconds.likely >= some.tpot_seconds.likely * (1 - 1e-9)


def test_every_gpu_type_of_the_catalogue_has_its_rates() -> None:
    used = {chip_speed(item).chip for item in catalogue().values() if item.gpus}
    assert used == {speed.chip for speed in chip_speeds().values()}


def test_the_two_a100_differ_in_bandwidth() -> None:
    assert chip_speed(catalogue()["p4d.24xlarge"]).memory_gb_per_second == 1555
    assert chip_speed(catalogue()["p4de.24xlarge"]).memory_gb_per_second == 2039


def test_a_node_without_gpus_or_with_too_few_is_refused() -> None:
    with pytest.raises(LookupError, match=r"m7i\.large has no GPU"):
        chip_speed(catalogue()["m7i.large"])
    with pytest.raises(ValidationError, match=r"2 GPUs on a g6\.2xlarge, which has 1"):
        request(gpus=2)


def test_the_page_on_cost_shows_these_cases() -> None:
    page = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    for case in CASES["cases"]:
        estimate = throughput(case_request(case)).output_tokens_per_second
        ratio = estimate.likely / case["tokens_per_second"]
        row = f"{case['concurrency']} at once | {case['tokens_per_second']:g} | {estimate} | {ratio:.2f} |"
        assert row in page, f"docs/cost.md should say: {row}"
