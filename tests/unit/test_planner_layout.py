"""KV layout by vLLM's rules, against numbers computed by hand and printed by public logs."""

import pytest

from planner.memory.layout import Group, Kind, KvLayout, Sharding, kv_layout
from planner.models import ModelFacts
from tests.unit.planner_requests import model

GIB = 1024**3


def layout(name: str, **sharding: int | float | bool) -> KvLayout:
    found = kv_layout(model(name), Sharding(**sharding))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_full_attention_keeps_two_vectors_per_kv_head_layer_and_token() -> None:
    found = layout("meta-llama/Llama-3.1-8B-Instruct")

    assert found.block_bytes == 16 * 131072  # 2 x 32 layers x 8 heads x 128 x 2 bytes = 131072 a token
    assert found.blocks(GIB) == 512
    assert found.tokens(GIB) == 8192
    assert found.request_blocks(8192, 2048) == 512
    assert found.concurrency(10 * GIB, 8192, 2048) == 10


def test_an_fp8_cache_holds_twice_the_tokens() -> None:
    assert layout("meta-llama/Llama-3.1-8B-Instruct", kv_bytes=1).tokens(GIB) == 16384


def test_kv_heads_are_split_over_gpus_and_replicated_beyond_their_number() -> None:
    name = "meta-llama/Llama-3.1-8B-Instruct"

    assert layout(name, tensor_parallel=8).block_bytes * 8 == layout(name).block_bytes
    assert layout(name, tensor_parallel=16) == layout(name, tensor_parallel=8)


def test_the_fullest_pipeline_stage_sets_the_size_of_a_block() -> None:
    assert layout("meta-llama/Llama-3.1-8B-Instruct", pipeline_parallel=3).block_bytes == 16 * 4096 * 11


def test_latent_attention_keeps_one_vector_per_layer_whole_on_every_gpu() -> None:
    assert layout("deepseek-ai/DeepSeek-R1").block_bytes == 16 * 61 * (512 + 64) * 2
    assert layout("deepseek-ai/DeepSeek-R1", tensor_parallel=8) == layout("deepseek-ai/DeepSeek-R1")


def test_half_sliding_layers_make_two_groups_that_share_one_pool() -> None:
    """openai/gpt-oss-120b on four A100, vLLM 0.10.1.1: 45.32 GiB, 330018 blocks, 2640144 tokens."""
    found = layout("openai/gpt-oss-120b", tensor_parallel=4)

    assert found.groups == (Group(Kind.FULL, 16), Group(Kind.WINDOW, 16, 128))
    assert found.block_bytes == 18 * 16 * 2 * 2 * 64 * 2
    assert found.blocks(330018 * found.block_bytes) == 330018
    assert found.tokens(330018 * found.block_bytes) == 2640144


def test_layers_of_unlike_heads_get_blocks_of_unlike_length_but_equal_pages() -> None:
    """google/gemma-4-26B: windows 8 x 256, full 2 x 512; 0.25.1 logged 14.92x of 262144 in 84.68 GiB."""
    found = layout("google/gemma-4-26B-A4B-it")

    assert found.groups == (Group(Kind.FULL, 32), *[Group(Kind.WINDOW, 16, 1024)] * 5)
    assert found.block_bytes == 5 * 16 * 2 * 8 * 256 * 2
    assert found.request_blocks(262144, 2496) == 262144 // 32 + 5 * (220 + 1)
    assert found.concurrency(84.68 * GIB, 262144, 2496) == pytest.approx(14.92, abs=0.005)


def test_without_the_hybrid_manager_windows_keep_every_token() -> None:
    found = layout("openai/gpt-oss-20b", windows_kept=False)

    assert found.groups == (Group(Kind.FULL, 16, 128),)
    assert found.block_bytes == 24 * 16 * 2 * 8 * 64 * 2


def test_attention_blocks_of_a_hybrid_grow_to_the_size_of_a_recurrent_state() -> None:
    """Qwen/Qwen3.5-27B on four 3090, 0.19.0: block size 784, 122304 tokens and 13.87x of 32768 in 7.47 GiB.

    State on one GPU: 3 x 2560 channels x 2 bytes + 12 heads x 128 x 128 x 4 bytes = 801792; a token of one
    attention layer takes 2 x 256 x 2 = 1024 bytes, so 783 tokens, rounded up to whole blocks of 16.
    """
    found = layout("Qwen/Qwen3.5-27B", tensor_parallel=4)

    assert found.groups == (Group(Kind.FULL, 784), *[Group(Kind.STATE, 784)] * 3)
    assert found.block_bytes == 16 * 784 * 1024
    assert found.tokens(7.47 * GIB) == 122304
    assert found.concurrency(7.47 * GIB, 32768, 2048) == pytest.approx(13.87, abs=0.005)


def test_a_drafter_adds_a_layer_of_attention_and_a_state_per_guessed_token() -> None:
    """Qwen/Qwen3.8-27B, three guessed tokens, 0.25.1: block size 800, 4.54x of 262144 in 80.17 GiB."""
    found = layout("Qwen/Qwen3.8-27B", speculative_tokens=3, extra_attention_layers=1)

    assert found.groups[0] == Group(Kind.FULL, 800)
    assert found.block_bytes == 17 * 800 * 4096
    assert found.request_blocks(262144, 2048) == 328 + 3 * 4
    assert found.concurrency(80.17 * GIB, 262144, 2048) == pytest.approx(4.54, abs=0.005)


def test_prefix_caching_keeps_a_second_state_of_every_request() -> None:
    once, twice = (layout("Qwen/Qwen3.5-27B", state_blocks=blocks) for blocks in (1, 2))

    assert once.request_blocks(32768, 2048) == 42 + 3
    assert twice.request_blocks(32768, 2048) == 42 + 6


def test_an_unknown_architecture_has_no_layout() -> None:
    assert kv_layout(ModelFacts(id="someone/something", parameters_billion=7), Sharding()) is None
