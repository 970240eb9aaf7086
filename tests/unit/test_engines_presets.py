"""Engine presets and default releases."""

import pytest

from components.engines import adapter, default_version, engine_preset
from components.engines.checks import engine_findings
from components.spec import EngineName
from planner.finding import Severity
from tests.unit.strategies import ENGINES, engine_spec


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("preset", ["basic", "production", "quantized"])
def test_every_preset_is_valid_for_the_default_release(engine: EngineName, preset: str) -> None:
    spec = engine_spec(engine, **engine_preset(engine, preset))
    errors = [f for f in engine_findings(adapter(engine), spec, "p") if f.severity is Severity.ERROR]
    assert errors == []


def test_the_presets_carry_the_source_documents_numbers() -> None:
    assert engine_preset("vllm", "production") == {
        "tensor_parallel": 2,
        "gpu_memory_utilization": 0.90,
        "max_model_len": 8192,
        "max_num_seqs": 256,
    }
    assert engine_preset("vllm", "quantized") == {
        "quantization": "awq",
        "gpu_memory_utilization": 0.85,
        "max_model_len": 4096,
    }
    assert engine_preset("tgi", "production") == {"max_input_tokens": 4096, "max_model_len": 8192}


def test_default_versions() -> None:
    assert {engine: default_version(engine) for engine in ENGINES} == {
        "vllm": "0.33.0",
        "tgi": "3.3.7",
        "ollama": "0.32.15",
        "sglang": "0.5.23",
        "tensorrt-llm": "1.2.1",
    }
