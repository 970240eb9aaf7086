"""The estimator's entry: which engine's budget applies, and what does not go together."""

from planner.engine_facts import engine_facts
from planner.memory.compatibility import incompatible
from planner.memory.layout import Sharding, kv_layout
from planner.memory.request import Check, MemoryEstimate, MemoryRequest
from planner.memory.vllm import estimate_vllm, not_modelled
from planner.memory.weights import GIB, gpu_weights


def estimate(request: MemoryRequest) -> MemoryEstimate:
    """Return what the configuration takes and leaves on each GPU, and whether it starts.

    What is not modelled has the verdict `uncertain` and says so in `reasons`. Nothing is raised.
    """
    problems = incompatible(request)
    if problems:
        return MemoryEstimate(verdict="does_not_fit", limiting=Check.COMPATIBILITY, reasons=tuple(problems))
    if request.engine == "vllm":
        return estimate_vllm(request)
    return _weights_and_one_request(request)


def explain(found: MemoryEstimate) -> str:
    """Return one sentence: the tightest check with its numbers, or why there is no answer."""
    if found.reasons:
        return "; ".join(found.reasons)
    budget = f"{found.requested_gib or 0:.1f} of {found.total_gib or 0:.1f} GiB"
    parts = (
        f"{budget} a GPU: weights {found.weights_gib or 0:.1f}, activations {found.activation_gib or 0:.1f}, "
        f"outside PyTorch {found.non_torch_gib or 0:.1f}, KV cache {found.kv_available_gib or 0:.1f} "
        f"({found.kv_low_gib or 0:.1f} to {found.kv_high_gib or 0:.1f})"
    )
    if found.limiting is Check.ONE_REQUEST:
        return f"{parts}; one request of {found.max_model_len} tokens takes {found.kv_request_gib or 0:.1f}"
    if found.limiting is Check.STATES:
        short = -(found.headroom_gib or 0)
        return f"{parts}; {found.max_num_seqs} sequences need {short:.1f} more for their states"
    return parts


def _weights_and_one_request(request: MemoryRequest) -> MemoryEstimate:
    """Return what no engine can do without, and a no where the weights alone are too much.

    For engines whose budget is not modelled: weights, and the KV cache of one request of `max_model_len`.
    """
    facts = engine_facts().get(request.engine)
    if facts is None:
        return not_modelled(f"engine {request.engine}")
    weights = gpu_weights(request, text_only=request.text_only)
    if weights is None:
        return not_modelled(f"memory of {request.engine}; nor are this model's weights known")
    length = request.max_model_len or request.model.context
    layout = kv_layout(request.model, Sharding(request.tensor_parallel, request.pipeline_parallel))
    need = None
    if layout is not None and length:
        need = layout.request_blocks(length, length) * layout.block_bytes / GIB
    left = request.gpu.gib - weights.gib
    too_much = left + 3 * weights.error_gib < 0 and not facts.offloads_to_cpu
    return MemoryEstimate(
        verdict="does_not_fit" if too_much else "uncertain",
        limiting=Check.WEIGHTS if too_much else Check.NOT_MODELLED,
        reasons=(f"not modelled: memory of {request.engine}: {facts.memory}",),
        total_gib=request.gpu.gib,
        weights_gib=weights.gib,
        kv_request_gib=need,
        headroom_gib=left - (need or 0.0),
        max_model_len=length,
        max_num_seqs=request.max_num_seqs,
    )
