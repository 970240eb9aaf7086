"""Sizes of loaded weights, computed by hand and as vLLM prints them ("Model loading took ...")."""

import pytest

from planner.gpus import Gpu
from planner.memory.weights import (
    GIB,
    allocated_bytes,
    formats_of,
    gpu_weights,
    stored_gib,
    weight_format,
    weight_formats,
)
from planner.models import ModelFacts, model_catalogue
from planner.parameters import count_parameters
from tests.unit.planner_requests import gpu, request

MIB = 1024**2

PUBLISHED = {
    "meta-llama/Llama-3.1-8B-Instruct": 8.03,
    "meta-llama/Llama-3.3-70B-Instruct": 70.55,
    "meta-llama/Llama-3.1-405B-Instruct": 405.9,
    "Qwen/Qwen2.5-7B-Instruct": 7.62,
    "Qwen/Qwen3-32B": 32.76,
    "Qwen/Qwen3-30B-A3B": 30.53,
    "Qwen/Qwen3-235B-A22B": 235.1,
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 80,
    "Qwen/Qwen3.5-397B-A17B": 397,
    "google/gemma-3-27b-it": 27.4,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": 46.7,
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": 24.0,
    "mistralai/Mistral-Small-4-119B-2603": 119,
    "microsoft/phi-4": 14.7,
    "deepseek-ai/DeepSeek-R1": 671,
    "zai-org/GLM-4.5-Air": 106,
    "MiniMaxAI/MiniMax-M2": 228.7,
    "moonshotai/Kimi-K2-Instruct": 1026,
    "openai/gpt-oss-120b": 116.8,
}


@pytest.mark.parametrize(("name", "billion"), PUBLISHED.items())
def test_parameters_counted_from_the_architecture_are_those_published(name: str, billion: float) -> None:
    counted = count_parameters(model_catalogue()[name])

    assert counted is not None
    assert counted / 1e9 == pytest.approx(billion, rel=0.01)


@pytest.mark.parametrize(
    ("size", "taken"),
    [(9 * MIB, 9), (31.5 * MIB, 32), (24.5 * MIB, 24.5), (129.5 * MIB, 130), (130 * MIB, 130)],
)
def test_the_allocator_keeps_what_is_left_of_a_segment_if_it_is_a_mebibyte_or_less(
    size: float, taken: float
) -> None:
    assert allocated_bytes(size) == taken * MIB


LOADED = [  # model, format, GPU, tensor parallel, GiB in the log
    ("meta-llama/Meta-Llama-3-8B-Instruct", "bf16", "H200", 1, 14.9596),
    ("Qwen/Qwen2-7B-Instruct", "bf16", "A100", 1, 14.2488),
    ("Qwen/Qwen2-7B-Instruct", "bf16", "A100", 2, 7.1217),
    ("Qwen/Qwen2.5-32B-Instruct", "bf16", "RTX 3090", 4, 15.39),
    ("Qwen/Qwen3-30B-A3B-Instruct-2507", "bf16", "H200", 1, 56.93),
    ("Qwen/Qwen3-30B-A3B-Instruct-2507", "fp8", "H100", 1, 29.08),
    ("meta-llama/Llama-3.3-70B-Instruct", "fp8", "H100", 1, 67.72),
    ("openai/gpt-oss-20b", "mxfp4", "H100", 1, 13.47),
    ("openai/gpt-oss-120b", "mxfp4", "H100", 1, 64.38),
    ("openai/gpt-oss-120b", "mxfp4", "A100", 4, 17.2217),
    ("Qwen/Qwen3.5-27B", "bf16", "RTX 3090", 4, 13.01),
    ("meta-llama/Llama-3.2-3B-Instruct", "gguf-q8_0", "RTX 4060", 1, 3.26),
]


@pytest.mark.parametrize(("name", "form", "chip", "parallel", "logged"), LOADED)
def test_predicted_weights_are_those_of_the_log(
    name: str, form: str, chip: str, parallel: int, logged: float
) -> None:
    asked = request(name, chip, weight_format=form, tensor_parallel=parallel)
    found = gpu_weights(asked, text_only=False)

    assert found is not None
    assert found.gib == pytest.approx(logged, rel=0.003)


@pytest.mark.parametrize(
    ("name", "form", "gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", None, 14.96),  # 8.03 billion x 2 bytes
        ("Qwen/Qwen3-8B", "fp8", 8.79),  # 2 x 151936 x 4096 x 2 + 6.946 billion x 1 byte
        ("openai/gpt-oss-120b", None, 60.7),  # 114.66 billion x 0.53125 + 2.13 billion x 2 bytes
        ("nvidia/nothing", None, None),
    ],
)
def test_weight_files_are_as_large_as_their_numbers(name: str, form: str | None, gib: float | None) -> None:
    found = stored_gib(model_catalogue().get(name, ModelFacts(id=name)), form)

    assert found == (None if gib is None else pytest.approx(gib, abs=0.06))


def test_every_format_of_every_model_has_a_size() -> None:
    for name, facts in model_catalogue().items():
        assert (stored_gib(facts) or 0) > 0, name
        for form in facts.formats:
            assert (stored_gib(facts, form) or 0) > 0, (name, form)


def test_offloading_moves_whole_tensors_until_the_asked_size_is_reached() -> None:
    """vLLM 0.17.1 with cpu_offload_gb 12: 2.91 GiB of Llama 3.1 8B stay, 12.08 GiB go."""
    found = gpu_weights(request(chip="RTX 3090", cpu_offload_gib=12), text_only=False)

    assert found is not None
    assert found.gib == pytest.approx(2.91, abs=0.005)


def test_a_known_size_is_taken_instead_of_the_architecture() -> None:
    asked = request(weights_gib=20.0, tensor_parallel=2)
    found = gpu_weights(asked, text_only=False)

    assert found is not None
    assert found.gib == pytest.approx(10.0 + 131072 * 128 * 2 / GIB)


def test_weights_split_over_stages_leave_one_embedding_on_the_fullest() -> None:
    asked = request(pipeline_parallel=2)
    whole = gpu_weights(asked.model_copy(update={"pipeline_parallel": 1}), text_only=False)
    half = gpu_weights(asked, text_only=False)

    assert whole is not None
    assert half is not None
    embedding = 128256 * 4096 * 2 / GIB
    assert half.gib == pytest.approx((whole.gib - 2 * embedding) / 2 + embedding, abs=0.02)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bf16", "bf16"),
        ("fp8 (compressed-tensors)", "fp8"),
        ("awq-int4", "int4"),
        ("int4 (compressed-tensors, group 32)", "int4-group32"),
        ("nvfp4 (modelopt)", "nvfp4"),
        ("mxfp4", "mxfp4"),
        ("gguf-q8_0", "q8_0"),
        ("something else", None),
    ],
)
def test_free_text_names_a_format(text: str, name: str | None) -> None:
    found = weight_format(text)

    assert (found.name if found else None) == name


def test_a_chip_computes_in_some_formats_and_only_holds_others() -> None:
    assert formats_of(gpu("A10G"))["fp8"] is False
    assert formats_of(gpu("L4"))["fp8"] is True
    assert formats_of(gpu("H100"))["nvfp4"] is False
    assert formats_of(gpu("B200"))["nvfp4"] is True
    assert "fp8" not in formats_of(gpu("V100"))
    assert "mxfp4" not in formats_of(gpu("T4"))
    assert formats_of(Gpu(name="new chip", gib=48)) == {}


def test_formats_only_name_parts_that_exist() -> None:
    parts = {"embedding", "attention", "recurrent", "mlp", "experts", "router", "vision"}
    for form in weight_formats().values():
        assert form.quantised <= parts, form.name
        assert gpu("H100").compute_capability is not None
