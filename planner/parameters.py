"""What a model's weights consist of, from its architecture: tensors, and how they are split over GPUs."""

from dataclasses import dataclass
from enum import Enum

from planner.models import ModelFacts


class Part(Enum):
    """Parts of a model that quantisation recipes treat differently."""

    EMBEDDING = "token embedding and output layer"
    ATTENTION = "attention"
    RECURRENT = "recurrent layers"
    MLP = "dense MLP"
    EXPERTS = "routed experts"
    ROUTER = "router"
    VISION = "vision tower"


@dataclass(frozen=True)
class Tensor:
    """`count` tensors of `numbers` numbers each, on one GPU of a tensor-parallel group."""

    part: Part
    count: int
    numbers: int


def tensors(facts: ModelFacts, tensor_parallel: int = 1, expert_parallel: int = 1) -> list[Tensor] | None:
    """Return all large weights one GPU holds; None where a number of the architecture is missing.

    `expert_parallel` is the number of GPUs whole experts are spread over; 1 splits every expert as the rest.
    Norms, biases and convolutions are left out: they are below 0.1 percent.
    """
    if not facts.vocab or not facts.hidden or not facts.layers:
        return None
    attention = _attention(facts, tensor_parallel)
    if attention is None or (facts.intermediate is None and facts.experts is None):
        return None
    embeddings = Tensor(
        Part.EMBEDDING, 1 if facts.tied_embeddings else 2, facts.vocab * facts.hidden // tensor_parallel
    )
    vision = Tensor(Part.VISION, 1, round(facts.vision_parameters_billion * 1e9) // tensor_parallel)
    return [
        embeddings,
        *attention,
        *_recurrent(facts, tensor_parallel),
        *_dense(facts, tensor_parallel),
        *_experts(facts, tensor_parallel, expert_parallel),
        *([vision] if vision.numbers else []),
    ]


def count_parameters(facts: ModelFacts) -> int | None:
    """Return how many numbers the architecture adds up to; None where one of its own is missing."""
    found = tensors(facts)
    return None if found is None else sum(tensor.count * tensor.numbers for tensor in found)


def _attention(facts: ModelFacts, parallel: int) -> list[Tensor] | None:
    full = facts.full_attention_layers
    if full is None or not facts.heads:
        return None
    if facts.latent:
        return _latent(facts, full, parallel)
    if not facts.head_dim or not facts.kv_heads:
        return None
    kv_heads, head_dim = facts.kv_heads, facts.head_dim
    sliding = facts.sliding.layers if facts.sliding else 0
    local = _layers(facts, sliding, (kv_heads, head_dim), parallel)
    if facts.full_layers:
        kv_heads, head_dim = facts.full_layers.kv_heads, facts.full_layers.head_dim
    return local + _layers(facts, full, (kv_heads, head_dim), parallel)


def _layers(facts: ModelFacts, count: int, heads: tuple[int, int], parallel: int) -> list[Tensor]:
    kv_heads, head_dim = heads
    width = (facts.heads or 0) * head_dim
    queries = width * (2 if facts.output_gate else 1)
    kept = max(kv_heads, parallel) * head_dim  # heads are replicated where there are more GPUs than heads
    hidden = facts.hidden or 0
    if not count:
        return []
    return [
        Tensor(Part.ATTENTION, count, hidden * (queries + 2 * kept) // parallel),
        Tensor(Part.ATTENTION, count, hidden * width // parallel),
    ]


def _latent(facts: ModelFacts, count: int, parallel: int) -> list[Tensor] | None:
    latent, hidden, heads = facts.latent, facts.hidden or 0, facts.heads or 0
    if latent is None or not latent.qk_nope_head_dim or not latent.v_head_dim:
        return None
    query_width = heads * (latent.qk_nope_head_dim + latent.qk_rope_head_dim)
    down = latent.kv_lora_rank + latent.qk_rope_head_dim
    up = latent.kv_lora_rank * heads * (latent.qk_nope_head_dim + latent.v_head_dim)
    found = [
        Tensor(Part.ATTENTION, count, hidden * (down + (latent.q_lora_rank or 0))),
        Tensor(Part.ATTENTION, count, (latent.q_lora_rank or hidden) * query_width // parallel),
        Tensor(Part.ATTENTION, count, up // parallel),
        Tensor(Part.ATTENTION, count, heads * latent.v_head_dim * hidden // parallel),
    ]
    return [tensor for tensor in found if tensor.numbers]


def _recurrent(facts: ModelFacts, parallel: int) -> list[Tensor]:
    state, hidden = facts.recurrent, facts.hidden or 0
    if state is None:
        return []
    inner = state.heads * state.head_width
    return [
        Tensor(Part.RECURRENT, state.layers, hidden * (state.conv_channels + inner) // parallel),
        Tensor(Part.RECURRENT, state.layers, hidden * inner // parallel),
        Tensor(Part.ROUTER, state.layers, 2 * hidden * state.heads // parallel),
    ]


def _mlp(part: Part, count: int, numbers: int, matrices: int) -> list[Tensor]:
    """The matrices that widen, fused, and the one that narrows."""
    return [Tensor(part, count, (matrices - 1) * numbers), Tensor(part, count, numbers)] if count else []


def _dense(facts: ModelFacts, parallel: int) -> list[Tensor]:
    if facts.intermediate is None or not facts.layers:
        return []
    layers = facts.layers - facts.expert_layers
    if facts.mlp_layers is not None:
        layers = facts.mlp_layers
    elif facts.experts and facts.experts.layers is None:
        layers = facts.layers  # a dense MLP beside the experts of every layer
    return _mlp(Part.MLP, layers, (facts.hidden or 0) * facts.intermediate // parallel, facts.mlp_matrices)


def _experts(facts: ModelFacts, parallel: int, expert_parallel: int) -> list[Tensor]:
    experts, hidden = facts.experts, facts.hidden or 0
    if experts is None:
        return []
    layers, matrices = facts.expert_layers, facts.mlp_matrices
    spread = max(parallel, expert_parallel)
    shared = hidden * experts.shared_intermediate // parallel
    return [
        *_mlp(Part.EXPERTS, layers, experts.count * hidden * experts.intermediate // spread, matrices),
        *_mlp(Part.MLP, layers if shared else 0, shared, matrices),
        Tensor(Part.ROUTER, layers, hidden * experts.count),
    ]
