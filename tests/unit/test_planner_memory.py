"""vLLM's memory budget: each part against hand-computed numbers and launches whose logs print it."""

import pytest

from planner.gpus import Gpu
from planner.memory import Check, estimate
from planner.memory.overheads import Batch, batch_limits, captured_graphs
from planner.memory.releases import Release, release_of
from planner.models import ModelFacts
from tests.unit.planner_requests import gpu, request

GIB = 1024**3


def release(version: str) -> Release:
    found = release_of(version)
    assert found is not None
    return found


def test_the_sampler_of_older_releases_takes_38_bytes_per_logit() -> None:
    """Qwen3-0.6B on H100, 0.11: 1024 x 151936 x 38.25 + (8192 + 2 x 1024) x 1024 x 2 bytes; log: 5.56."""
    found = estimate(request("Qwen/Qwen3-0.6B", "H100", engine_version="0.11.0", max_model_len=16000))

    assert found.activation_gib == pytest.approx((1024 * 151936 * 38.25 + 10240 * 1024 * 2) / GIB)
    assert found.activation_gib == pytest.approx(5.56, abs=0.005)
    assert found.non_torch_gib == pytest.approx(0.13)
    assert found.kv_available_gib == pytest.approx(64.45, abs=0.02)


def test_the_forward_pass_decides_where_few_sequences_are_sampled() -> None:
    """Qwen2.5-3B on 4090, 1 sequence: 1.25 x 2048 x 3 x 11008 x 2 + 3 x 2048 x 2048 x 2 bytes; log 0.17."""
    found = estimate(
        request(
            "Qwen/Qwen2.5-3B-Instruct",
            "RTX 4090",
            engine_version="0.10.2",
            max_model_len=4096,
            max_num_seqs=1,
            max_num_batched_tokens=2048,
        )
    )

    assert found.activation_gib == pytest.approx((1.25 * 2048 * 3 * 11008 * 2 + 3 * 2048 * 2048 * 2) / GIB)
    assert found.activation_gib == pytest.approx(0.17, abs=0.015)


def test_one_launch_adds_up_from_budget_to_tokens() -> None:
    """Llama 3.1 8B on an 80 GB A100, 0.17.1, 0.9: 14.99 GiB of weights, 55.79 of KV, 457024 tokens."""
    found = estimate(
        request(chip="A100", engine_version="0.17.1", gpu_memory_utilization=0.9, max_model_len=32768)
    )

    assert found.requested_gib == pytest.approx(0.9 * 79.25)
    assert found.weights_gib == pytest.approx(14.99, abs=0.005)
    assert found.kv_available_gib == pytest.approx(55.79, abs=0.05)
    assert found.kv_cache_tokens == pytest.approx(457024, rel=0.001)
    assert found.kv_request_gib == 4.0
    assert found.headroom_gib == pytest.approx(51.79, abs=0.05)
    assert found.max_concurrency == pytest.approx(13.95, abs=0.02)
    assert (found.verdict, found.limiting) == ("fits", Check.ONE_REQUEST)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (256, 2048)


def test_graphs_are_charged_to_the_budget_from_0_21_on() -> None:
    settings = {"gpu_memory_utilization": 0.9, "max_model_len": 8192}
    before, after = (estimate(request(engine_version=v, **settings)) for v in ("0.20.2", "0.21.0"))

    assert before.kv_available_gib is not None
    assert after.kv_available_gib is not None
    assert after.cuda_graph_gib == pytest.approx(86 * 8 / 1024)
    assert before.kv_available_gib - after.kv_available_gib == pytest.approx(after.cuda_graph_gib)


def test_penalty_counts_are_charged_from_0_33_on() -> None:
    before, after = (
        estimate(request(chip="H100", engine_version=version, enforce_eager=True)).activation_gib
        for version in ("0.32.0", "0.33.0")
    )

    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(1024 * 128256 * 4.125 / GIB)


def test_a_hybrid_needs_a_state_block_per_sequence_where_the_release_checks_it() -> None:
    """Qwen3.5-27B on one H100: 1024 sequences need 1024 blocks of 16 x 784 x 4096 bytes, 49 GiB."""
    name, settings = "Qwen/Qwen3.5-27B", {"chip": "H100", "max_model_len": 32768}
    checked = estimate(request(name, engine_version="0.22.1", **settings))

    assert (checked.verdict, checked.limiting) == ("does_not_fit", Check.STATES)
    assert estimate(request(name, engine_version="0.22.1", max_num_seqs=64, **settings)).verdict == "fits"
    assert estimate(request(name, engine_version="0.25.1", **settings)).verdict == "uncertain"
    for asked in (
        request(name, engine_version="0.22.1", enforce_eager=True, **settings),
        request(name, engine_version="0.19.0", **settings),
        request(name, engine_version="0.33.0", **settings),
    ):
        assert estimate(asked).limiting != Check.STATES


@pytest.mark.parametrize(
    ("batch", "graphs"),
    [
        (Batch(8192, 1024), 51 + 51),
        (Batch(2048, 256), 51 + 35),
        (Batch(2048, 64), 19 + 11),
        (Batch(2048, 1), 2 + 1),
    ],
)
def test_graphs_are_captured_for_twice_the_sequences_and_in_full_for_what_decodes(
    batch: Batch, graphs: int
) -> None:
    assert captured_graphs(batch) == graphs


@pytest.mark.parametrize(
    ("chip", "version", "limits"),
    [
        ("L4", "0.33.0", (2048, 256)),
        ("A100", "0.33.0", (2048, 256)),
        ("H100", "0.11.0", (8192, 1024)),
        ("B200", "0.22.1", (8192, 1024)),
        ("B200", "0.33.0", (16384, 1024)),
    ],
)
def test_batch_limits_follow_the_gpu_and_the_release(
    chip: str, version: str, limits: tuple[int, int]
) -> None:
    assert batch_limits(request(chip=chip), release(version), None) == limits


def test_utilization_defaults_to_what_the_release_has() -> None:
    found = [
        estimate(request(engine_version=version)).gpu_memory_utilization for version in ("0.19.0", "0.22.1")
    ]

    assert found == [0.9, 0.92]


def test_a_model_whose_context_is_too_long_for_the_cache_does_not_fit() -> None:
    found = estimate(request(chip="L4"))  # 131072 tokens x 131072 bytes = 16 GiB beside 15 GiB of weights

    assert (found.verdict, found.limiting) == ("does_not_fit", Check.ONE_REQUEST)
    assert found.kv_request_gib == 16.0


def test_weights_larger_than_the_gpu_do_not_fit() -> None:
    found = estimate(request("Qwen/Qwen3-32B", "L4", max_model_len=4096))

    assert found.verdict == "does_not_fit"
    assert found.headroom_gib is not None
    assert found.headroom_gib < -40


def test_what_is_within_the_error_is_too_close_to_call() -> None:
    """Qwen2.5-7B at 0.65 on a 3090, 0.17.1: started once with 0.49 GiB, failed once with 0.41."""
    found = estimate(
        request(
            "Qwen/Qwen2.5-7B-Instruct",
            "RTX 3090",
            engine_version="0.17.1",
            gpu_memory_utilization=0.65,
            max_model_len=8192,
        )
    )

    assert found.verdict == "uncertain"
    assert found.kv_low_gib is not None
    assert found.kv_high_gib is not None
    assert found.kv_low_gib < 0.41 < 0.49 < found.kv_high_gib


UNKNOWN = ModelFacts(id="someone/something", parameters_billion=1)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (request(model=UNKNOWN), "hidden size"),
        (
            request(model=UNKNOWN.model_copy(update={"hidden": 2048, "vocab": 32000})),
            "attention is not known",
        ),
        (request(engine="tgi", engine_version="3.3.7"), "memory of tgi"),
        (request(engine="sglang", engine_version="0.5.23"), "memory of sglang"),
        (request(engine="tensorrt-llm", engine_version="1.2.1"), "memory of tensorrt-llm"),
        (request(engine="ollama", engine_version="0.32.15"), "memory of ollama"),
        (request(engine_version="0.7.3"), "V0"),
        (request(chip="GB10", max_model_len=4096), "CPU"),
        (request(chip="A100", kv_cache_dtype="fp8", max_model_len=4096), "8.9"),
        (request(speculative_tokens=5, chip="H100"), "drafter"),
        (request(dtype="float32", chip="H100"), "float32"),
        (request(kv_cache_dtype="nvfp4", chip="B200"), "kv_cache_dtype nvfp4"),
    ],
)
def test_what_is_not_modelled_never_fits_and_says_why(asked: object, reason: str) -> None:
    found = estimate(asked)  # type: ignore[arg-type]

    assert found.verdict == "uncertain"
    assert any(reason in told for told in found.reasons), found.reasons


def test_weights_alone_that_exceed_the_gpu_are_a_no_for_engines_without_a_model_but_not_for_ollama() -> None:
    large = {"name": "Qwen/Qwen3-32B", "chip": "L4"}

    assert estimate(request(**large, engine="tgi", engine_version="3.3.7")).verdict == "does_not_fit"
    assert estimate(request(**large, engine="ollama", engine_version="0.32.15")).verdict == "uncertain"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (request(tensor_parallel=3), "does not divide"),
        (request("Qwen/Qwen2.5-7B-Instruct", tensor_parallel=8), "does not divide"),
        (request(tensor_parallel=4, gpus_per_node=1), "4 GPUs are needed on one node"),
        (request(chip="T4", dtype="bfloat16"), "use float16"),
        (request(chip="V100"), "vllm needs compute capability 7.5"),
        (request(chip="T4", engine="tgi", engine_version="3.3.7"), "tgi needs compute capability 8.0"),
        (request(chip="T4", weight_format="nvfp4"), "nvfp4 weights need"),
        (request(weight_format="bitsandbytes"), "use fp8, awq or gptq"),
        (request(pipeline_parallel=64), "more than the model's 32 layers"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_what_would(asked: object, told: str) -> None:
    found = estimate(asked)  # type: ignore[arg-type]

    assert (found.verdict, found.limiting) == ("does_not_fit", Check.COMPATIBILITY)
    assert any(told in reason for reason in found.reasons), found.reasons


def test_the_same_settings_in_their_good_form_are_not_refused() -> None:
    for asked in (
        request(tensor_parallel=2, max_model_len=8192),
        request(tensor_parallel=2, gpus_per_node=4, max_model_len=8192),
        request(chip="T4", dtype="float16", weight_format="awq", max_model_len=2048),
        request(chip="L40S", kv_cache_dtype="fp8"),
        request(weight_format="awq", max_model_len=8192),
    ):
        assert estimate(asked).verdict == "fits", asked


@pytest.mark.parametrize(
    ("version", "as_of", "found"),
    [
        ("0.11.0+torch271", None, "0.11.0"),
        ("0.10.1.1", None, "0.10.1.1"),
        ("0.6.6.post1", None, None),
        (None, "2026-01-26", "0.12.0"),
        ("main@bfde49e28", "2026-04-18", "0.19.0"),
        ("0.1.dev1+gd56e95223", "2026-05-20", "0.21.0"),
        (None, None, None),
        ("25.09", "2026-05-20", "0.21.0"),
        ("v0.11.0rc2", None, "0.11.0"),
        ("nonsense", "nonsense", None),
    ],
)
def test_a_version_is_read_or_guessed_from_the_date(
    version: str | None, as_of: str | None, found: str | None
) -> None:
    read = release_of(version, as_of)

    assert (str(read.version) if read else None) == found


def test_a_guessed_version_near_a_change_of_sampler_widens_the_interval_downwards() -> None:
    known = estimate(request(engine_version="0.16.0", max_model_len=4096, gpu_memory_utilization=0.9))
    guessed = estimate(
        request(engine_version=None, as_of="2026-05-01", max_model_len=4096, gpu_memory_utilization=0.9)
    )

    assert guessed.kv_low_gib is not None
    assert known.kv_low_gib is not None
    assert guessed.kv_low_gib < known.kv_low_gib


def test_more_gpus_of_a_kind_without_nvlink_cost_less_outside_pytorch() -> None:
    plain = estimate(request(chip="L4", tensor_parallel=2)).non_torch_gib
    switched = estimate(request(chip="H100", tensor_parallel=2)).non_torch_gib

    assert plain is not None
    assert switched is not None
    assert plain < 0.5 < switched


def test_a_gpu_of_unknown_kind_is_taken_by_its_memory() -> None:
    assert estimate(request(gpu=Gpu(name="new chip", gib=48), max_model_len=8192)).verdict == "fits"
    assert gpu("L4").gib < 48
