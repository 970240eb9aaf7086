"""Settings that cannot work together on a chip, whatever the memory."""

from planner.engine_facts import engine_facts, reached
from planner.gpus import capability
from planner.memory.request import MemoryRequest
from planner.memory.weights import weight_format


def incompatible(request: MemoryRequest) -> list[str]:
    """Return why the engine would refuse to start; empty if nothing speaks against it."""
    return [*_parallelism(request), *_chip(request), *_removed(request)]


def doubtful(request: MemoryRequest) -> list[str]:
    """Return why it may refuse, depending on the attention kernels the engine picks."""
    return [*_fp8_cache(request), *_unusual_numbers(request)]


def _unusual_numbers(request: MemoryRequest) -> list[str]:
    known = ("auto", "float16", "half", "bfloat16", "fp16", "bf16")
    doubts = []
    if request.dtype in ("float32", "float"):
        doubts.append("not modelled: weights and activations in float32")
    if (kv := request.kv_cache_dtype) is not None and kv not in known and "fp8" not in kv:
        doubts.append(f"not modelled: kv_cache_dtype {kv}")
    return doubts


def _fp8_cache(request: MemoryRequest) -> list[str]:
    facts, cap = engine_facts().get(request.engine), request.gpu.compute_capability
    if facts is None or facts.fp8_kv_capability is None or cap is None:
        return []
    if not _is_fp8(request.kv_cache_dtype) or cap >= capability(facts.fp8_kv_capability):
        return []
    return [
        f"kv_cache_dtype {request.kv_cache_dtype} needs compute capability {facts.fp8_kv_capability} in "
        f"{request.engine}'s Triton kernels; {request.gpu.name} has {_dotted(cap)}"
    ]


def tensor_parallel_fits(request: MemoryRequest, size: int) -> bool:
    """Whether attention can be split over `size` GPUs: heads evenly, KV heads evenly or by whole copies."""
    heads, kv_heads = request.model.heads, request.model.kv_heads
    if heads is not None and heads % size:
        return False
    if kv_heads is None or request.model.latent:
        return True
    return kv_heads % size == 0 or size % kv_heads == 0


def _parallelism(request: MemoryRequest) -> list[str]:
    problems = []
    if not tensor_parallel_fits(request, request.tensor_parallel):
        problems.append(
            f"tensor_parallel {request.tensor_parallel} does not divide {request.model.heads} heads "
            f"and {request.model.kv_heads} KV heads"
        )
    if request.gpus_per_node is not None and request.gpus > request.gpus_per_node:
        problems.append(f"{request.gpus} GPUs are needed on one node, which has {request.gpus_per_node}")
    layers = request.model.layers
    if layers is not None and request.pipeline_parallel > layers:
        problems.append(
            f"pipeline_parallel {request.pipeline_parallel} is more than the model's {layers} layers"
        )
    return problems


def _chip(request: MemoryRequest) -> list[str]:
    cap = request.gpu.compute_capability
    if cap is None:
        return []
    problems = []
    facts = engine_facts().get(request.engine)
    if facts is not None and cap < (floor := facts.floor(request.engine_version)):
        problems.append(f"{request.engine} needs compute capability {_dotted(floor)}; {_has(request)}")
    if request.dtype in ("bfloat16", "bf16") and cap < (8, 0):
        problems.append(f"dtype bfloat16 needs compute capability 8.0; {_has(request)}; use float16")
    form = weight_format(request.weight_format or request.model.native_format)
    if form is not None and cap < capability(form.cap):
        problems.append(f"{form.name} weights need compute capability {form.cap}; {_has(request)}")
    return problems


def _removed(request: MemoryRequest) -> list[str]:
    facts, text = engine_facts().get(request.engine), (request.weight_format or "").lower()
    if facts is None or request.engine_version is None:
        return []
    return [
        f"{request.engine} {request.engine_version} loads no {request.weight_format} weights: "
        f"use {row.instead}"
        for row in facts.removed_formats
        if reached(row.since, request.engine_version) and any(word in text for word in row.words)
    ]


def _is_fp8(kv_cache_dtype: str | None) -> bool:
    return kv_cache_dtype is not None and "fp8" in kv_cache_dtype


def _has(request: MemoryRequest) -> str:
    return f"{request.gpu.name} has {_dotted(request.gpu.compute_capability or (0, 0))}"


def _dotted(cap: tuple[int, int]) -> str:
    return f"{cap[0]}.{cap[1]}"
