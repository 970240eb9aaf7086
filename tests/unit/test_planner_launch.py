"""From a version's settings to a memory request, and a model over all GPU types."""

from typing import Any

import pytest

from planner.catalogue import catalogue
from planner.memory import Check, MemoryRequest, estimate, explain, launch_request, placements
from tests.unit.planner_requests import gpu, model, request


def launch(name: str = "Qwen/Qwen3-8B", instance: str = "g6.12xlarge", **fields: Any) -> MemoryRequest:
    found = launch_request(
        **({"engine": "vllm", "engine_version": "0.33.0"} | fields),
        model=name,
        instance=catalogue()[instance],
    )
    assert found is not None
    return found


def test_settings_keep_their_names_and_the_pool_gives_the_gpu() -> None:
    found = launch(tensor_parallel=2, max_model_len=16384, max_num_seqs=None, gpu_memory_utilization=0.9)

    assert found.model == model("Qwen/Qwen3-8B")
    assert (found.gpu, found.gpus_per_node) == (gpu("L4"), 4)
    assert (found.tensor_parallel, found.max_model_len, found.max_num_seqs) == (2, 16384, None)


@pytest.mark.parametrize(
    ("name", "engine", "quantization", "form"),
    [
        ("Qwen/Qwen3-8B", "vllm", None, None),
        ("Qwen/Qwen3-8B", "vllm", "fp8", "fp8"),
        ("Qwen/Qwen3-8B-FP8", "vllm", None, "fp8"),
        ("Qwen/Qwen3-8B-AWQ", "vllm", "awq_marlin", "awq_marlin"),
        ("someone/Qwen3-8B-GPTQ-Int4", "vllm", None, "int4"),
        ("s3://bucket/weights/Qwen3-8B-FP8/", "vllm", None, "fp8"),
        ("openai/gpt-oss-20b", "vllm", None, None),
        ("qwen3:8b", "ollama", None, "q4_k_m"),
    ],
)
def test_the_format_of_weights_is_asked_for_catalogued_or_in_the_name(
    name: str, engine: str, quantization: str | None, form: str | None
) -> None:
    found = launch(name, engine=engine, quantization=quantization)

    assert found.weight_format == form
    assert found.model.layers


def test_flags_that_change_memory_are_understood() -> None:
    found = launch(
        flags={
            "enforce-eager": True,
            "enable-expert-parallel": True,
            "limit-mm-per-prompt": '{"image": 0, "video": 0}',
            "cpu-offload-gb": 4,
            "kv-transfer-config": "{}",
            "decode-context-parallel-size": 2,
            "speculative-config": '{"method": "mtp", "num_speculative_tokens": 3}',
            "some-other-flag": 1,
            "enable-lora": True,
        }
    )

    assert (found.enforce_eager, found.expert_parallel, found.text_only) == (True, True, True)
    assert (found.cpu_offload_gib, found.windows_kept, found.decode_context_parallel) == (4, False, 2)
    assert (found.speculative_tokens, found.own_drafter) == (3, True)
    assert found.unmodelled == ("LoRA adapters",)
    assert "not modelled: LoRA adapters" in estimate(found).reasons
    assert launch(flags={"limit-mm-per-prompt": '{"image": 2}'}).text_only is False
    assert launch(flags={"speculative-config": "not json"}).speculative_tokens == 0


def test_a_pool_without_gpus_has_no_request() -> None:
    cpu = next(item for item in catalogue().values() if not item.gpus)

    assert launch_request(engine="vllm", engine_version="0.33.0", model="a/b", instance=cpu) is None


def test_a_model_nobody_knows_is_too_close_to_call() -> None:
    found = estimate(launch("someone/unheard-of-7B"))

    assert (found.verdict, found.limiting) == ("uncertain", Check.NOT_MODELLED)
    assert "neither" in explain(found)


def test_an_explanation_has_both_numbers_of_the_tightest_check() -> None:
    found = explain(estimate(request(chip="L4")))

    assert "one request of 131072 tokens takes 16.0" in found
    assert "weights 15.0" in found
    assert "20.3 of 22.0 GiB" in found


def test_places_that_fit_come_cheapest_first_with_the_fewest_gpus() -> None:
    found = placements(request("Qwen/Qwen3-14B", max_model_len=16384))
    fitting = [place for place in found if place.estimate.verdict == "fits"]
    prices = [place.usd_per_hour for place in fitting if place.usd_per_hour is not None]

    assert len(found) == 51
    assert prices == sorted(prices)
    assert fitting[0].instance.name == "g6e.xlarge"
    assert {place.tensor_parallel for place in fitting if place.instance.name == "g6.12xlarge"} == {2}
    assert found[-1].estimate.verdict == "does_not_fit"


def test_a_large_model_fits_only_on_large_machines() -> None:
    found = placements(request("deepseek-ai/DeepSeek-R1", max_model_len=16384, gpus_per_node=8))
    fitting = {place.instance.name for place in found if place.estimate.verdict == "fits"}

    assert "p5en.48xlarge" in fitting
    assert not any(name.startswith(("g5", "g6", "p4", "p5.")) for name in fitting)
