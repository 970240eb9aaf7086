"""GPU memory that is neither weights nor KV cache: activations, CUDA graphs, and what lies outside PyTorch.

Constants, mechanisms and sources: `data/vllm_memory.yaml`.
"""

import math
from typing import NamedTuple

from planner.memory.releases import Release, vllm_memory
from planner.memory.request import MemoryRequest
from planner.memory.weights import GIB


class Batch(NamedTuple):
    """Batch limits with the engine's defaults filled in."""

    tokens: int
    seqs: int


class Cost(NamedTuple):
    """GiB on one GPU: expected, standard error, and how much more or less it may be for a known reason."""

    gib: float
    error: float
    more: float = 0.0
    less: float = 0.0


def batch_limits(request: MemoryRequest, release: Release, length: int | None) -> Batch:
    """Return max_num_batched_tokens and max_num_seqs as the release sets them (engine/arg_utils.py)."""
    tokens, seqs = release.batch_defaults(request.gpu)
    if request.max_num_batched_tokens is not None:
        tokens = request.max_num_batched_tokens
    elif not request.chunked_prefill and length:
        tokens = max(tokens, length)
    elif request.max_num_seqs is not None and length:
        tokens = max(request.max_num_seqs, min(tokens, request.max_num_seqs * length))
    if request.max_num_seqs is not None:
        seqs = request.max_num_seqs
    return Batch(max(1, tokens), max(1, min(seqs, tokens)))


def activation(request: MemoryRequest, release: Release, batch: Batch, *, encoder: bool) -> Cost | None:
    """Return the peak of the warm-up run: the sampler or the forward pass, whichever is larger.

    None where the model's widths are not known.
    """
    facts = request.model
    if not facts.hidden or not facts.vocab:
        return None
    forward = _forward(request, batch)
    experts = _expert_workspace(request, batch) if release.at_least("expert_workspace_stays") else 0.0
    expected, least, most = _sampler(request, release, batch)
    penalties = 0.0
    if not request.pooling and release.at_least("penalties_charged"):
        penalties = batch.seqs * facts.vocab * vllm_memory()["penalty_bytes_per_logit"] / GIB
    encoding, kept = _encoder(request, batch) if encoder else (0.0, 0.0)
    floor = max(forward + kept, encoding)
    peak, best, worst = (max(sampler + experts + kept, floor) for sampler in (expected, least, most))
    error = 0.03 * expected if expected + experts >= forward else 0.15 * forward
    if "vocab" in facts.unverified:
        error += 0.3 * expected
    if encoder:
        known = facts.vision is not None
        error = math.hypot(error, vllm_memory()["encoder_error_gib"]["known" if known else "unknown"])
    return Cost(peak + penalties, error, more=worst - peak, less=peak - best)


def _sampler(request: MemoryRequest, release: Release, batch: Batch) -> tuple[float, float, float]:
    """Logits and their copies for every sequence, beside the hidden states of the whole batch.

    Expected, least and most; all 0 for models that only embed.
    """
    if request.pooling:
        return 0.0, 0.0, 0.0
    facts = request.model
    hidden = (batch.tokens + 2 * batch.seqs) * (facts.hidden or 0) * 2
    logits = batch.seqs * (facts.vocab or 0)
    expected, least, most = (logits * each + hidden for each in release.sampler_bytes())
    return expected / GIB, least / GIB, most / GIB


def _forward(request: MemoryRequest, batch: Batch) -> float:
    facts, data = request.model, vllm_memory()
    hidden = data["forward_hidden_copies"] * (facts.hidden or 0) * batch.tokens * 2 / GIB
    width = facts.intermediate or 4 * (facts.hidden or 0)
    dense = batch.tokens * facts.mlp_matrices * width / request.tensor_parallel * 2 / GIB
    if facts.experts and facts.intermediate is None:
        dense = 0.0
    return float(data["forward_factor"] * max(dense, _expert_workspace(request, batch)) + hidden)


def _expert_workspace(request: MemoryRequest, batch: Batch) -> float:
    """Every token goes to `active` experts: a row each of the widened, activated and narrowed result."""
    facts = request.model
    if facts.experts is None:
        return 0.0
    split = 1 if request.expert_parallel else request.tensor_parallel
    row = facts.mlp_matrices * facts.experts.intermediate / split + (facts.hidden or 0)
    return batch.tokens * facts.experts.active * row * 2 / GIB


def _encoder(request: MemoryRequest, batch: Batch) -> tuple[float, float]:
    """(peak while the largest batch of images is encoded, its outputs that stay alive afterwards).

    The vision tower keeps queries, keys and values, both sides of its activation, and copies of its input.
    """
    tower, hidden = request.model.vision, request.model.hidden or 0
    tokens = max(batch.tokens, tower.item_tokens if tower else 0)
    kept = tokens * hidden * 2 / GIB
    if tower is None:
        return kept, kept
    split = (3 * tower.hidden + 2 * tower.intermediate) / request.tensor_parallel
    row = split + vllm_memory()["encoder_hidden_copies"] * tower.hidden
    return tokens * tower.patches_per_token * row * 2 / GIB, kept


def non_torch(request: MemoryRequest, release: Release) -> Cost:
    """CUDA context, kernels, and the buffers of tensor-parallel groups."""
    data, row = vllm_memory(), release.entry("non_torch_gib")
    gib = row["hopper"] if request.gpu.hopper_or_later else row["value"]
    error = data["non_torch_error_gib"]
    if request.tensor_parallel == 1:
        return Cost(gib + (0.1 if request.pipeline_parallel > 1 else 0.0), error)
    link = "nvls" if any(chip in request.gpu.name for chip in data["nvls_chips"]) else "plain"
    group = release.entry("parallel_gib")
    return Cost(gib + group[link], math.hypot(error, group["error"]))


def captured_graphs(batch: Batch, speculative_tokens: int = 0, largest: int | None = None) -> int:
    """CUDA graphs captured: piecewise ones for every size, full ones for sizes that decoding can reach.

    Sizes are 1, 2, 4, steps of 8 up to 256 and of 16 up to `largest`; unless given, it is twice max_num_seqs,
    512 at most (config/vllm.py, _set_cudagraph_sizes).
    """
    decode = 1 + speculative_tokens
    top = min(batch.tokens, min(batch.seqs * decode * 2, 512) if largest is None else largest)
    sizes = [size for size in (1, 2, 4, *range(8, 256, 8), *range(256, top + 1, 16)) if size <= top]
    full = [size for size in sizes if size <= batch.seqs * decode]
    return len(sizes) + len(full)


def cuda_graphs(request: MemoryRequest, batch: Batch) -> Cost:
    """Memory of captured CUDA graphs; none with enforce_eager."""
    if request.enforce_eager:
        return Cost(0.0, 0.0)
    data = vllm_memory()
    graphs = captured_graphs(batch, request.speculative_tokens, request.max_graph_size)
    gib = graphs * data["graph_mib"] / 1024
    return Cost(gib, data["graph_relative_error"]["recurrent" if request.model.recurrent else "plain"] * gib)
