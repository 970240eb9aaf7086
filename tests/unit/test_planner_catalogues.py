"""Catalogues of models, GPU memory and engines: complete, sourced, and found by the names people use."""

import pytest

from planner.catalogue import catalogue
from planner.engine_facts import engine_facts
from planner.gpus import capability, find_gpu
from planner.memory import instance_gpu
from planner.memory.layout import Sharding, kv_layout
from planner.models import find_model, model_catalogue


def test_there_are_at_least_thirty_models_each_with_source_date_and_licence() -> None:
    assert len(model_catalogue()) >= 30
    for name, facts in model_catalogue().items():
        assert facts.source, name
        assert facts.retrieved is not None, name
        assert facts.gated is not None or "gated" in facts.unverified, name
        assert facts.context, name


def test_every_model_has_a_kv_layout_and_heads_that_add_up() -> None:
    for name, facts in model_catalogue().items():
        assert kv_layout(facts, Sharding()) is not None, name
        assert facts.heads, name
        assert facts.kv_heads, name
        assert facts.heads % facts.kv_heads == 0, name


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B"),
        ("cyankiwi/gemma-4-31B-it-AWQ-4bit", "google/gemma-4-31B-it"),
        ("nvidia/Gemma-4-31B-IT-NVFP4", "google/gemma-4-31B-it"),
        ("Llama-3.2-3B-Instruct-Q8_0.gguf", "meta-llama/Llama-3.2-3B-Instruct"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"),
        ("cpatonn/Qwen3-30B-A3B-Instruct-2507-AWQ", "Qwen/Qwen3-30B-A3B-Instruct-2507"),
        ("unsloth/Qwen3-30B-A3B-GPTQ-Int4", "Qwen/Qwen3-30B-A3B"),
        ("mistralai/Mistral-Small-24B-Base-2501", "mistralai/Mistral-Small-24B-Instruct-2501"),
        ("someone/Mistral-Small-3.2-24B-Instruct-AWQ", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen/Qwen3-VL-8B-Instruct-FP8", "Qwen/Qwen3-VL-8B-Instruct"),
    ],
)
def test_weights_derived_from_a_model_are_found_under_it(name: str, known: str) -> None:
    found = find_model(name)

    assert found is not None
    assert found.id == known


@pytest.mark.parametrize(
    "name",
    [
        "someone/unheard-of-7B",
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "deepseek-ai/DeepSeek-R1-0528-Qwen3-14B-x-32B",
        "8B",
        "",
    ],
)
def test_a_model_of_another_kind_or_size_is_not_taken_for_a_known_one(name: str) -> None:
    assert find_model(name) is None


def test_every_gpu_type_has_a_chip_whose_memory_is_a_little_below_the_nominal() -> None:
    for instance in catalogue().values():
        found = instance_gpu(instance)
        if not instance.gpus:
            assert found is None, instance.name
            continue
        assert found is not None, instance.name
        assert 0.88 < found.gib / (instance.gpu_memory_mib / 1024) < 1, instance.name
        assert instance.chip is not None
        if instance.chip.name != "B300":  # 10.0 by one source, 10.3 by another
            assert found.compute_capability == capability(instance.chip.compute_capability), instance.name


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("NVIDIA A100-SXM4-40GB", 39.49),
        ("NVIDIA A100 80GB", 79.25),
        ("NVIDIA H200", 139.8),
        ("NVIDIA L40S", 44.4),
        ("NVIDIA GH200 480GB", 94.5),
        ("Tesla T4", 14.66),
    ],
)
def test_a_gpu_is_found_by_the_name_its_driver_gives_it(name: str, gib: float) -> None:
    found = find_gpu(name)

    assert found is not None
    assert found.gib == gib


def test_an_unknown_gpu_is_not_guessed() -> None:
    assert find_gpu("some accelerator") is None


def test_only_vllm_claims_to_be_modelled() -> None:
    assert [name for name, facts in engine_facts().items() if facts.modelled] == ["vllm"]
    assert set(engine_facts()) == {"vllm", "tgi", "sglang", "tensorrt-llm", "ollama"}
