"""How vLLM divides KV memory: pages, groups of layers, blocks, and what they hold in tokens.

Read from vLLM's own code (v1/core/kv_cache_utils.py, v1/kv_cache_interface.py, platforms/interface.py of the
0.11.0, 0.19.0 and 0.22.1 wheels). A *page* holds one block of tokens of one layer. Layers of one kind share
block tables in *groups* of equal size; all groups draw from one pool of blocks: all pages are equally large.
"""

import math
from dataclasses import dataclass
from enum import Enum

from planner.models import ModelFacts

BLOCK_TOKENS = 16
"""vLLM's default block size on NVIDIA chips."""


class Kind(Enum):
    """What a group of layers keeps per request."""

    FULL = "every token"
    WINDOW = "the last tokens"
    STATE = "one state"


@dataclass(frozen=True)
class Group:
    """Layers that share one block table."""

    kind: Kind
    block_tokens: int
    window: int = 0


@dataclass(frozen=True)
class Sharding:
    """How one model is spread over GPUs, and what its numbers are stored in."""

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    kv_bytes: float = 2
    """Bytes per number of the KV cache."""
    model_bytes: int = 2
    """Bytes per number of the model's own dtype: the convolution state's."""
    speculative_tokens: int = 0
    state_blocks: int = 1
    """Blocks one request keeps of a recurrent state: 2 with prefix caching."""
    extra_attention_layers: int = 0
    """Attention layers of a drafter that share the cache."""
    windows_kept: bool = True
    """False: the hybrid manager is off, sliding layers keep every token."""


@dataclass(frozen=True)
class KvLayout:
    """Blocks and groups of one model on one GPU."""

    groups: tuple[Group, ...]
    block_bytes: int
    """Memory of one block of the pool: a page of each layer of the largest group."""
    state_blocks: int = 1
    """Blocks of each group of recurrent layers that one request takes."""

    def blocks(self, kv_bytes: float) -> int:
        """Blocks that `kv_bytes` of memory hold."""
        return max(0, math.floor(kv_bytes / self.block_bytes))

    def request_blocks(self, length: int, batched_tokens: int) -> int:
        """Blocks one request of `length` tokens takes, prefilled `batched_tokens` at a time."""
        return sum(self._group_blocks(group, length, batched_tokens) for group in self.groups)

    def concurrency(self, kv_bytes: float, length: int, batched_tokens: int) -> float:
        """Requests of `length` tokens that fit at once."""
        return self.blocks(kv_bytes) / self.request_blocks(length, batched_tokens)

    def tokens(self, kv_bytes: float) -> int:
        """Tokens by vLLM's older count: an equal part of the blocks for every group."""
        smallest = min(group.block_tokens for group in self.groups)
        return self.blocks(kv_bytes) // len(self.groups) * smallest

    def _group_blocks(self, group: Group, length: int, batched_tokens: int) -> int:
        if group.kind is Kind.STATE:
            return self.state_blocks
        if group.kind is Kind.WINDOW:
            kept = min(group.window - 1 + batched_tokens, length)
            return math.ceil(kept / group.block_tokens) + 1
        return math.ceil(length / group.block_tokens)


def kv_layout(facts: ModelFacts, sharding: Sharding) -> KvLayout | None:
    """Return how the model's KV cache is laid out; None where its architecture is not known well enough."""
    full = facts.full_attention_layers
    if facts.attention is None or full is None:
        return None
    full += sharding.extra_attention_layers
    if facts.latent:
        return _latent(facts, full, sharding)
    token_bytes = _token_bytes(facts.kv_heads, facts.head_dim, sharding)
    if token_bytes is None:
        return None
    if facts.recurrent:
        return _hybrid(facts, full, token_bytes, sharding)
    if facts.sliding and facts.sliding.layers:
        return _sliding(facts, full, token_bytes, sharding)
    return _one_group(full, token_bytes, sharding)


def _token_bytes(kv_heads: int | None, head_dim: int | None, sharding: Sharding) -> float | None:
    """Bytes of one token in one layer on one GPU; heads are replicated over more GPUs than heads."""
    if not kv_heads or not head_dim:
        return None
    return 2 * max(1, kv_heads // sharding.tensor_parallel) * head_dim * sharding.kv_bytes


def _stage(layers: int, sharding: Sharding) -> int:
    """Layers on the fullest pipeline stage."""
    return math.ceil(layers / sharding.pipeline_parallel)


def _one_group(layers: int, token_bytes: float, sharding: Sharding) -> KvLayout:
    page = BLOCK_TOKENS * token_bytes
    return KvLayout((Group(Kind.FULL, BLOCK_TOKENS),), math.ceil(_stage(layers, sharding) * page))


def _latent(facts: ModelFacts, layers: int, sharding: Sharding) -> KvLayout | None:
    """One latent vector per token, whole on every GPU; a sparse indexer adds a key and its scale."""
    latent = facts.latent
    if latent is None:
        return None
    if latent.indexer_head_dim:
        vector = 656.0 if sharding.kv_bytes == 1 else (latent.kv_lora_rank + latent.qk_rope_head_dim) * 2
        token_bytes = vector + latent.indexer_head_dim + 4
    else:
        token_bytes = (latent.kv_lora_rank + latent.qk_rope_head_dim) * sharding.kv_bytes
    return _one_group(layers, token_bytes, sharding)


def _sliding(facts: ModelFacts, full: int, window_bytes: float, sharding: Sharding) -> KvLayout | None:
    sliding = facts.sliding
    if sliding is None:
        return None
    full_bytes: float | None = window_bytes
    if facts.full_layers:
        full_bytes = _token_bytes(facts.full_layers.kv_heads, facts.full_layers.head_dim, sharding)
    if full_bytes is None:
        return None
    if not sharding.windows_kept or full == 0:
        pages = BLOCK_TOKENS * (sliding.layers * window_bytes + full * full_bytes)
        kind = Kind.FULL if full or not sharding.windows_kept else Kind.WINDOW
        return KvLayout(
            (Group(kind, BLOCK_TOKENS, sliding.window),), math.ceil(pages / sharding.pipeline_parallel)
        )
    page = BLOCK_TOKENS * max(window_bytes, full_bytes)
    size, counts = _group_size(full, sliding.layers)
    groups = [Group(Kind.FULL, round(page / full_bytes))] * counts[0]
    groups += [Group(Kind.WINDOW, round(page / window_bytes), sliding.window)] * counts[1]
    return KvLayout(tuple(groups), math.ceil(_stage(size, sharding) * page))


def _hybrid(facts: ModelFacts, full: int, token_bytes: float, sharding: Sharding) -> KvLayout | None:
    """Attention blocks grow until a page is as large as one recurrent state, which is padded to it."""
    state = facts.recurrent
    if state is None or not full:
        return None
    taps = state.conv_kernel - 1 + sharding.speculative_tokens
    conv = taps * (state.conv_channels // sharding.tensor_parallel) * sharding.model_bytes
    heads = math.ceil(state.heads / sharding.tensor_parallel)
    state_bytes = conv + heads * state.head_width * state.state_width * state.state_bytes
    block_tokens = BLOCK_TOKENS * max(1, math.ceil(state_bytes / (BLOCK_TOKENS * token_bytes)))
    size, counts = _group_size(full, state.layers)
    groups = [Group(Kind.FULL, block_tokens)] * counts[0] + [Group(Kind.STATE, block_tokens)] * counts[1]
    page = block_tokens * token_bytes
    blocks = sharding.state_blocks + sharding.speculative_tokens
    return KvLayout(tuple(groups), math.ceil(_stage(size, sharding) * page), blocks)


def _group_size(*layers: int) -> tuple[int, tuple[int, ...]]:
    """Layers per group and groups per kind: the rarest kind sets the size, if it is much rarer."""
    size = min(layers)
    if max(layers) < 1.5 * size:
        size = max(layers)
    return size, tuple(math.ceil(count / size) for count in layers)
