"""Plain memory requests to change in a test, and a strategy of valid ones."""

from typing import Any

from hypothesis import strategies as st

from planner.gpus import Gpu, find_gpu
from planner.memory import MemoryRequest
from planner.models import ModelFacts, model_catalogue


def gpu(name: str) -> Gpu:
    found = find_gpu(name)
    assert found is not None, name
    return found


def model(name: str) -> ModelFacts:
    return model_catalogue()[name]


def request(name: str = "meta-llama/Llama-3.1-8B-Instruct", chip: str = "L4", **fields: Any) -> MemoryRequest:
    """A model with one GPU's defaults on vLLM 0.33.0."""
    return MemoryRequest(**({"engine_version": "0.33.0", "model": model(name), "gpu": gpu(chip)} | fields))


def requests() -> st.SearchStrategy[MemoryRequest]:
    """Any catalogued model on any of six chips, batch limits given: their defaults jump with a GPU's size."""
    return st.builds(
        request,
        st.sampled_from(sorted(model_catalogue())),
        st.sampled_from(["L4", "A10G", "L40S", "A100", "H100", "B200"]),
        engine_version=st.sampled_from(["0.9.2", "0.11.0", "0.17.1", "0.20.0", "0.22.1", "0.33.0"]),
        weight_format=st.sampled_from([None, "fp8", "awq", "bf16"]),
        tensor_parallel=st.sampled_from([1, 2, 4, 8]),
        max_model_len=st.integers(128, 262144),
        max_num_seqs=st.integers(1, 1024),
        max_num_batched_tokens=st.integers(512, 16384),
        gpu_memory_utilization=st.floats(0.3, 0.94),
        enforce_eager=st.booleans(),
    )
