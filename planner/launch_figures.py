"""Size of the weights, start and speed of a launch that is described by a memory request. Pure."""

from typing import Any

from planner.catalogue import InstanceType
from planner.memory.layout import Sharding, kv_layout
from planner.memory.request import MemoryEstimate, MemoryRequest
from planner.memory.weights import GIB, formats_of, gpu_weights, weight_format
from planner.parameters import count_parameters
from planner.start_time import StartEstimate, StartRequest, start_estimate
from planner.throughput import Measured, Throughput, ThroughputRequest, concurrency_of, throughput

_ALONE = {
    "tensor_parallel": 1,
    "pipeline_parallel": 1,
    "data_parallel": 1,
    "expert_parallel": False,
    "cpu_offload_gib": 0.0,
    "speculative_tokens": 0,
}
DEFAULT_SEQUENCES = 256
"""Requests at once of an engine whose limit is neither given nor modelled (vLLM 0.33 engine/arg_utils.py)."""


def weights_bytes(request: MemoryRequest) -> int | None:
    """Return the size of the whole model's weights; None where neither sizes nor architecture are known."""
    found = gpu_weights(request.model_copy(update=_ALONE), text_only=request.text_only)
    return None if found is None or found.gib <= 0 else round(found.gib * GIB)


def start_of(request: MemoryRequest, node: InstanceType, **storage: Any) -> StartEstimate | None:
    """Estimate a start; `storage` are fields of `StartRequest`. None where the weights' size is not known."""
    size = weights_bytes(request)
    if size is None:
        return None
    fields = {"engine": request.engine, "weights_bytes": size, "eager": request.enforce_eager, **storage}
    return start_estimate(StartRequest(node=node, **fields))


def speed_of(
    request: MemoryRequest,
    found: MemoryEstimate,
    node: InstanceType,
    *,
    input_tokens: int,
    output_tokens: int,
    concurrency: int | None = None,
    measured: Measured | None = None,
) -> Throughput | None:
    """Estimate one replica with as many requests at once as fit, or `concurrency`.

    None where the model is not known well enough, or a replica has more GPUs than the node.
    """
    facts, size, kv = request.model, weights_bytes(request), _kv_bytes_per_token(request, input_tokens)
    parameters = _parameters(request)
    if size is None or kv is None or parameters is None or not 1 <= request.gpus <= node.gpus:
        return None
    share = 1.0
    if facts.experts is not None:
        idle = 1 - min(1.0, facts.experts.active / facts.experts.count)
        share = max(0.001, 1 - idle * facts.expert_parameters / parameters)
    limit = found.max_num_seqs or DEFAULT_SEQUENCES
    form = weight_format(request.weight_format or facts.native_format)
    return throughput(
        ThroughputRequest(
            node=node,
            gpus=request.gpus,
            weights_bytes=size,
            active_parameters=max(1, round(parameters * share)),
            active_share=share,
            kv_bytes_per_token=kv,
            layers=facts.layers or 0,
            hidden=facts.hidden or 0,
            eight_bit_arithmetic=form is not None
            and form.name == "fp8"
            and formats_of(request.gpu).get("fp8", False),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            concurrency=concurrency
            or concurrency_of(
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                max_num_seqs=limit,
                kv_cache_tokens=found.kv_cache_tokens,
            ),
            measured=measured,
        )
    )


def _parameters(request: MemoryRequest) -> float | None:
    billion = request.model.parameters_billion
    return billion * 1e9 if billion else count_parameters(request.model)


def _kv_bytes_per_token(request: MemoryRequest, tokens: int) -> int | None:
    """Of the whole model, at a request of `tokens`: windows and states make long ones cheaper."""
    narrow = "fp8" in (request.kv_cache_dtype or "")
    layout = kv_layout(request.model, Sharding(kv_bytes=1 if narrow else 2))
    if layout is None:
        return None
    return round(layout.request_blocks(tokens, tokens) * layout.block_bytes / tokens)
