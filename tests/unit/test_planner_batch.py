"""The batch interface: a line in, a line out, whatever the line holds."""

import io
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.batch import answer, answers
from tests.stack_files import ROOT

CASE: dict[str, Any] = {
    "case": 7,
    "as_of": "2026-05-16",
    "vllm_version": "0.17.1",
    "model": {"id": "meta-llama/Llama-3.1-8B-Instruct", "params_b": 8.03},
    "weight_format": "bf16",
    "gpu": {"model": "NVIDIA A100 80GB", "count": 1, "nodes": 1, "total_gib": None},
    "tensor_parallel": 1,
    "pipeline_parallel": 1,
    "data_parallel": 1,
    "gpu_memory_utilization": 0.9,
    "max_model_len": 32768,
    "max_num_seqs": None,
    "max_num_batched_tokens": 2048,
    "kv_cache_dtype": "auto",
    "enforce_eager": False,
    "extra": {},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def answered(**changed: Any) -> dict[str, Any]:
    return answer(json.dumps(CASE | changed))


def test_an_answer_has_the_numbers_of_the_estimate_and_the_cases_number() -> None:
    found = answered()

    assert (found["case"], found["verdict"]) == (7, "fits")
    assert found["weights_gib"] == pytest.approx(14.99, abs=0.01)
    assert found["kv_available_low_gib"] < found["kv_available_gib"] < found["kv_available_high_gib"]
    assert found["kv_cache_tokens"] == pytest.approx(457024, rel=0.001)


def test_numbers_of_the_case_describe_a_model_that_is_not_catalogued() -> None:
    """A dense model's MLP width follows from its parameters: weights are then those of Llama 3.1 8B."""
    model = {
        "id": "someone/unheard-of",
        "params_b": 8.03,
        "layers": 32,
        "hidden": 4096,
        "heads": 32,
        "kv_heads": 8,
        "head_dim": 128,
        "vocab": 128256,
        "attention": "gqa",
    }
    found = answered(model=model)

    assert found["verdict"] == "fits"
    assert found["weights_gib"] == pytest.approx(14.96, abs=0.02)
    assert found["kv_cache_tokens"] == pytest.approx(457024, rel=0.002)


@pytest.mark.parametrize(
    ("window", "layers"),
    [
        ("1024 tokens, 5 local : 1 global", 24),
        ("128 tokens on alternate layers (12 of 36)", 24),
        ("128 tokens on alternate layers", 24),
        ("a window", 24),
    ],
)
def test_a_sliding_window_is_read_from_text_and_otherwise_too_close_to_call(window: str, layers: int) -> None:
    model = {
        "id": "someone/unheard-of",
        "params_b": 8.0,
        "layers": layers,
        "hidden": 4096,
        "heads": 32,
        "kv_heads": 8,
        "head_dim": 128,
        "vocab": 128256,
        "attention": "gqa+swa",
        "sliding_window": window,
    }

    assert answered(model=model)["verdict"] == ("uncertain" if window == "a window" else "fits")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"case": 3}',
        '{"gpu": null}',
        '{"gpu": {"model": "H100"}, "model": 5}',
        "é",
    ],
)
def test_a_line_that_makes_no_sense_is_uncertain_with_a_reason(line: str) -> None:
    found = answer(line)

    assert found["verdict"] == "uncertain"
    assert found["reasons"]


@settings(deadline=None)  # the first example reads the data files
@given(st.sampled_from(sorted(CASE)), JSON)
def test_no_value_of_any_key_breaks_it(key: str, value: object) -> None:
    found = answered(**{key: value})

    assert found["verdict"] in ("fits", "does_not_fit", "uncertain")
    json.dumps(found)


@settings(deadline=None)  # the first example reads the data files
@given(st.sampled_from(["model", "gpu", "extra"]), st.text(max_size=12), JSON)
def test_no_value_inside_breaks_it_either(key: str, inner: str, value: object) -> None:
    names = [
        "layers",
        "hidden",
        "kv_heads",
        "vocab",
        "mla",
        "hybrid",
        "moe_experts",
        "total_gib",
        "speculative",
    ]
    found = answered(**{key: CASE[key] | dict.fromkeys([inner, *names], value)})

    assert found["verdict"] in ("fits", "does_not_fit", "uncertain")


def test_answers_keep_the_order_and_skip_blank_lines() -> None:
    lines = io.StringIO("\n".join(["", json.dumps({"case": 0}), "", json.dumps({"case": 1}), "x"]))

    assert [found.get("case") for found in answers(lines)] == [0, 1, None]


def test_it_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "planner.batch"],
        input=json.dumps(CASE) + "\nnot json\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )

    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["fits", "uncertain"]
    assert not done.stderr
