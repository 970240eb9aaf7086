"""vLLM's memory budget: what a configuration leaves for the KV cache, and whether it starts."""

import math
from typing import NamedTuple

from planner.memory.compatibility import doubtful
from planner.memory.layout import KvLayout, Sharding, kv_layout
from planner.memory.overheads import Batch, Cost, activation, batch_limits, cuda_graphs, non_torch
from planner.memory.releases import Release, release_of, vllm_memory
from planner.memory.request import Check, MemoryEstimate, MemoryRequest, Verdict
from planner.memory.weights import GIB, Weights, gpu_weights
from planner.models import ModelFacts

_TENTH = 1.2816
"""Standard errors to the ends of an 80 % interval of a normal distribution."""


class _Budget(NamedTuple):
    release: Release
    batch: Batch
    utilization: float
    requested: float
    weights: Weights
    peak: Cost
    outside: Cost
    graphs: Cost
    encoder: bool

    @property
    def charged(self) -> Cost:
        """Graphs, as far as the release takes them from the budget."""
        return self.graphs if self.release.at_least("graphs_charged") else Cost(0.0, 0.0)

    @property
    def kv(self) -> float:
        used = self.weights.gib + self.peak.gib + self.outside.gib + self.charged.gib
        return self.requested - used


def estimate_vllm(request: MemoryRequest) -> MemoryEstimate:
    """Return the estimate for vLLM's V1 engine; settings that do not go together are checked before."""
    release = release_of(request.engine_version, request.as_of)
    if release is None:
        return not_modelled("vLLM before 0.8 (engine V0), or a version that could not be told")
    length = request.max_model_len or request.model.context
    budget = _budget(request, release, length)
    if isinstance(budget, str):
        return not_modelled(budget)
    layout = kv_layout(request.model, _sharding(request, release))
    error = _error(request, budget)
    low = budget.kv - _TENTH * error - budget.peak.more
    high = budget.kv + _TENTH * error + budget.peak.less
    kv_bytes = budget.kv * GIB
    need = None
    if layout is not None and length:
        part = math.ceil(length / request.decode_context_parallel)
        need = layout.request_blocks(part, budget.batch.tokens) * layout.block_bytes / GIB
    slack = _slack(budget, layout, need, request)
    limiting = min(slack, key=lambda check: slack[check])
    headroom = slack[limiting]
    reasons = _doubts(request, layout, need)
    states = _state_slack(request, budget, layout)
    if (
        states is not None
        and states < 0
        and budget.release.may_check_state_blocks
        and Check.STATES not in slack
    ):
        reasons.append(
            f"max_num_seqs {budget.batch.seqs} exceeds the state blocks; some releases refuse that"
        )
    verdict: Verdict = "uncertain" if reasons else _verdict(headroom, low - budget.kv, error)
    tokens, concurrency = _capacity(layout, kv_bytes, length, budget, request.decode_context_parallel)
    return MemoryEstimate(
        verdict=verdict,
        limiting=limiting,
        reasons=tuple(reasons),
        total_gib=request.gpu.gib,
        requested_gib=budget.requested,
        weights_gib=budget.weights.gib,
        activation_gib=budget.peak.gib,
        non_torch_gib=budget.outside.gib,
        cuda_graph_gib=budget.graphs.gib,
        kv_available_gib=budget.kv,
        kv_low_gib=low,
        kv_high_gib=high,
        kv_request_gib=need,
        kv_cache_tokens=tokens,
        max_concurrency=concurrency,
        headroom_gib=headroom,
        max_model_len=length,
        max_num_seqs=budget.batch.seqs,
        max_num_batched_tokens=budget.batch.tokens,
        gpu_memory_utilization=budget.utilization,
    )


def not_modelled(reason: str) -> MemoryEstimate:
    """An honest answer where there is no model: never `fits`."""
    return MemoryEstimate(
        verdict="uncertain", limiting=Check.NOT_MODELLED, reasons=(f"not modelled: {reason}",)
    )


def _budget(request: MemoryRequest, release: Release, length: int | None) -> _Budget | str:
    batch = batch_limits(request, release, length)
    encoder = request.model.multimodal and not request.text_only
    weights = gpu_weights(request, text_only=request.text_only)
    if weights is None:
        return "weights: neither their size nor the model's architecture and format are known"
    peak = activation(request, release, batch, encoder=encoder)
    if peak is None:
        return "activations: the model's hidden size and vocabulary are not known"
    utilization = request.gpu_memory_utilization
    if utilization is None:
        utilization = release.default_utilization
    requested = math.ceil(request.gpu.gib * GIB * utilization) / GIB
    outside, graphs = non_torch(request, release), cuda_graphs(request, batch)
    return _Budget(release, batch, utilization, requested, weights, peak, outside, graphs, encoder)


def _sharding(request: MemoryRequest, release: Release) -> Sharding:
    windows = request.windows_kept
    if windows is None:
        windows = release.at_least("hybrid_kv_manager")
    kv_type = request.kv_cache_dtype or "auto"
    own = request.recipe.kv_cache_dtype if request.recipe else None
    if kv_type == "auto" and own is not None and release.at_least("checkpoint_kv_dtype"):
        kv_type = own
    kv_bytes = 1 if any(word in kv_type for word in ("fp8", "int8")) else 0.5 if "4" in kv_type else 2
    return Sharding(
        tensor_parallel=request.tensor_parallel,
        pipeline_parallel=request.pipeline_parallel,
        kv_bytes=kv_bytes,
        speculative_tokens=request.speculative_tokens,
        state_blocks=2 if _prefix_cached(request, release) else 1,
        extra_attention_layers=1 if request.speculative_tokens else 0,
        windows_kept=windows,
    )


def _prefix_cached(request: MemoryRequest, release: Release) -> bool:
    default = release.at_least("hybrid_prefix_caching")
    return default if request.prefix_caching is None else request.prefix_caching


def _error(request: MemoryRequest, budget: _Budget) -> float:
    parts = (
        request.gpu.error_gib * budget.utilization,
        budget.weights.error_gib,
        budget.peak.error,
        budget.outside.error,
        budget.charged.error,
        vllm_memory()["boot_error_gib"],
        vllm_memory()["unknown_error_share"] * request.gpu.gib,
        vllm_memory()["unmeasured_error_gib"] if budget.release.unmeasured else 0.0,
        vllm_memory()["guess_error_gib"] if budget.release.guessed else 0.0,
    )
    return math.hypot(*parts)


def _slack(
    budget: _Budget, layout: KvLayout | None, need: float | None, request: MemoryRequest
) -> dict[Check, float]:
    slack = {Check.WEIGHTS: budget.requested - budget.weights.gib, Check.NO_KV: budget.kv}
    if need is not None:
        slack[Check.ONE_REQUEST] = budget.kv - need
    if budget.release.checks_state_blocks and (short := _state_slack(request, budget, layout)) is not None:
        slack[Check.STATES] = short
    if not budget.release.at_least("graphs_charged"):
        spare = request.gpu.gib - budget.requested - budget.graphs.gib
        if spare < 0:
            slack[Check.GRAPHS] = spare
    return slack


def _doubts(request: MemoryRequest, layout: KvLayout | None, need: float | None) -> list[str]:
    """Why no verdict may be given, whatever the numbers say."""
    doubts = []
    if layout is None:
        doubts.append("not modelled: the KV layout, because the model's attention is not known")
    elif request.model.attention == "sliding" and request.model.sliding is None:
        doubts.append("not modelled: sliding windows, because their layers are not known")
    elif request.model.attention == "hybrid" and not _state_known(request.model):
        doubts.append("not modelled: recurrent layers, because the size of their state is not known")
    elif need is None:
        doubts.append("neither max_model_len nor the model's context is known")
    doubts += [f"not modelled: {feature}" for feature in request.unmodelled]
    doubts += doubtful(request)
    if "vocab" in request.model.unverified:
        doubts.append("the model's vocabulary is not known")
    if request.gpu.shared_with_cpu:
        doubts.append("not modelled: GPU memory that is the CPU's memory too")
    if "omni" in request.model.id.lower() or "audio" in request.model.id.lower():
        doubts.append("not modelled: encoders of sound")
    if request.speculative_tokens and not request.own_drafter:
        doubts.append("not modelled: weights and activations of a drafter")
    return doubts


def _state_known(facts: ModelFacts) -> bool:
    return facts.recurrent is not None and facts.recurrent.heads > 0


def _state_slack(request: MemoryRequest, budget: _Budget, layout: KvLayout | None) -> float | None:
    """What is left once every sequence has a state block; None where no such block is needed to start."""
    if layout is None or request.enforce_eager or not _state_known(request.model):
        return None
    return budget.kv - budget.batch.seqs * layout.block_bytes / GIB


def _verdict(headroom: float, down: float, error: float) -> Verdict:
    """Too close to call unless the interval's end, or for a failure three errors, are on one side of zero."""
    if headroom + down > 0:
        return "fits"
    return "does_not_fit" if headroom < -max(0.3, 3 * error) else "uncertain"


def _capacity(
    layout: KvLayout | None, kv_bytes: float, length: int | None, budget: _Budget, spread: int
) -> tuple[int | None, float | None]:
    """What the log calls the size of the KV cache in tokens, and how many longest requests that is."""
    if layout is None:
        return None, None
    if not length:
        return layout.tokens(kv_bytes) * spread, None
    concurrency = layout.concurrency(kv_bytes, math.ceil(length / spread), budget.batch.tokens)
    if budget.release.at_least("tokens_are_concurrency"):
        return int(concurrency * length), concurrency
    return layout.tokens(kv_bytes) * spread, concurrency
