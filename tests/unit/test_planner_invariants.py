"""What holds for every model, chip and setting, whatever the constants."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.memory import MemoryRequest, estimate
from planner.memory.layout import Sharding, kv_layout
from planner.models import model_catalogue
from tests.unit.planner_requests import requests


@settings(deadline=None)  # the first example reads the data files
@given(requests(), st.floats(0.1, 100))
def test_more_gpu_memory_never_turns_fits_into_does_not_fit(asked: MemoryRequest, more: float) -> None:
    larger = asked.gpu.model_copy(update={"gib": asked.gpu.gib + more})
    before, after = estimate(asked), estimate(asked.model_copy(update={"gpu": larger}))

    if before.verdict == "fits":
        assert after.verdict == "fits"
    if after.verdict == "does_not_fit":
        assert before.verdict == "does_not_fit"


@settings(deadline=None)  # the first example reads the data files
@given(requests(), st.integers(1, 100000))
def test_a_longer_max_model_len_never_raises_headroom(asked: MemoryRequest, more: int) -> None:
    longer = asked.model_copy(update={"max_model_len": (asked.max_model_len or 0) + more})
    before, after = estimate(asked).headroom_gib, estimate(longer).headroom_gib

    if before is not None and after is not None:
        assert after <= before + 1e-9


@settings(deadline=None)  # the first example reads the data files
@given(requests(), st.floats(0.001, 0.05))
def test_kv_tokens_never_fall_with_utilization(asked: MemoryRequest, more: float) -> None:
    fuller = asked.model_copy(update={"gpu_memory_utilization": (asked.gpu_memory_utilization or 0) + more})
    before, after = estimate(asked).kv_cache_tokens, estimate(fuller).kv_cache_tokens

    if before is not None and after is not None:
        assert after >= before


@settings(deadline=None)  # the first example reads the data files
@given(requests())
def test_the_parts_add_up_to_what_is_requested_and_the_interval_holds_the_estimate(
    asked: MemoryRequest,
) -> None:
    found = estimate(asked)
    if found.kv_available_gib is None or found.requested_gib is None:
        return
    parts = [found.weights_gib, found.activation_gib, found.non_torch_gib, found.kv_available_gib]
    charged = found.requested_gib - sum(part or 0.0 for part in parts)

    assert math.isclose(charged, 0, abs_tol=1e-6) or math.isclose(charged, found.cuda_graph_gib or 0.0)
    assert found.kv_low_gib is not None
    assert found.kv_high_gib is not None
    assert found.kv_low_gib <= found.kv_available_gib <= found.kv_high_gib
    assert found.verdict != "fits" or (found.headroom_gib or 0.0) > 0
    assert found.verdict != "does_not_fit" or (found.headroom_gib or 0.0) < 0


@settings(deadline=None)  # the first example reads the data files
@given(requests(), st.sampled_from([2, 4, 8]))
def test_fewer_sequences_never_lower_the_kv_cache(asked: MemoryRequest, part: int) -> None:
    fewer = asked.model_copy(update={"max_num_seqs": max(1, (asked.max_num_seqs or 1) // part)})
    before, after = estimate(asked).kv_available_gib, estimate(fewer).kv_available_gib

    if before is not None and after is not None:
        assert after >= before - 1e-9


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(model_catalogue())),
    st.sampled_from([1, 2, 4, 8]),
    st.floats(0, 200 * 1024**3),
    st.integers(1, 300000),
    st.integers(1, 16384),
)
def test_blocks_never_take_more_memory_than_there_is(
    name: str, parallel: int, memory: float, length: int, batched: int
) -> None:
    layout = kv_layout(model_catalogue()[name], Sharding(tensor_parallel=parallel))

    assert layout is not None
    assert layout.blocks(memory) * layout.block_bytes <= memory
    assert layout.request_blocks(length, batched) <= layout.request_blocks(length + 1, batched)
    assert layout.request_blocks(length, batched) >= math.ceil(length / layout.groups[0].block_tokens)
