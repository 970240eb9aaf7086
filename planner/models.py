"""What the planner knows about a model: its architecture and weights, read once from `data/models.yaml`."""

import datetime
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.data_files import data_file

Attention = Literal["full", "sliding", "mla", "hybrid"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SlidingWindow(_Facts):
    """Layers that keep only the last `window` tokens. The model's other layers see everything."""

    window: int
    layers: int


class FullLayers(_Facts):
    """Heads of the layers that see everything, where they differ from those of the sliding layers."""

    kv_heads: int
    head_dim: int


class LatentAttention(_Facts):
    """MLA: one latent vector per token and layer, whole on every GPU."""

    kv_lora_rank: int
    qk_rope_head_dim: int
    qk_nope_head_dim: int | None = None
    v_head_dim: int | None = None
    q_lora_rank: int | None = None
    indexer_head_dim: int = 0
    """Key width of a sparse-attention indexer, one byte a number; 0 = none."""


class RecurrentState(_Facts):
    """Layers with a state of fixed size per request (Mamba2, gated delta net) instead of KV per token.

    All sizes are 0 where only the number of such layers is known.
    """

    layers: int
    conv_channels: int
    conv_kernel: int
    heads: int
    head_width: int
    state_width: int
    state_bytes: int = 4
    """Bytes per number of the state; the convolution's are the model's own."""


class VisionTower(_Facts):
    """The encoder of a multimodal model, as far as its activations need it."""

    hidden: int
    intermediate: int
    patches_per_token: int
    """Patches of an image that become one token of the language model."""
    item_tokens: int
    """Tokens of the largest image or video one request may hold."""


class Experts(_Facts):
    """Mixture of experts in all layers but the first `dense_layers`."""

    count: int
    active: int
    intermediate: int
    layers: int | None = None
    """Layers with experts; None = all of them."""
    shared_intermediate: int = 0


class WeightFormat(_Facts):
    """Published weights of a model in one format."""

    repository: str
    gib: float | None = None
    """Size of the safetensors files; None where no source gives it."""
    part_bytes: dict[str, float] = {}
    """Bytes per number of parts this repository stores otherwise than is usual for the format."""
    kv_cache_dtype: str | None = None
    """Type of the KV cache the checkpoint asks for, where it does."""


class ModelFacts(_Facts):
    """One model. None = not known: what depends on it is then uncertain, never assumed."""

    id: str
    parameters_billion: float | None = None
    """All weights an engine loads, a vision tower included."""
    vision_parameters_billion: float = 0.0
    """The part of them that encodes images or sound; kept in 16 bits by most quantisation recipes."""
    layers: int | None = None
    attention_layers: int | None = None
    """Layers that keep KV for every token, where they are not all that are neither sliding nor recurrent."""
    hidden: int | None = None
    intermediate: int | None = None
    """Width of a dense MLP; None where all layers have experts."""
    mlp_layers: int | None = None
    """Layers with a dense MLP, where they are not all that have no experts."""
    mlp_matrices: int = 3
    """Matrices of an MLP or expert: 3 with a gate, 2 without."""
    output_gate: bool = False
    """Attention with a gate as wide as its queries."""
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    vocab: int | None = None
    tied_embeddings: bool = False
    context: int | None = None
    """Longest prompt plus answer the model was made for, tokens."""
    attention: Attention | None = None
    sliding: SlidingWindow | None = None
    full_layers: FullLayers | None = None
    latent: LatentAttention | None = None
    recurrent: RecurrentState | None = None
    experts: Experts | None = None
    multimodal: bool = False
    vision: VisionTower | None = None
    position_copies: int = 1
    """Tables of rotary angles are this many times the context long: 4 with M-RoPE (vLLM's mrope.py)."""
    native_format: str = "bf16"
    """Format of the weights under `id` itself."""
    formats: dict[str, WeightFormat] = {}
    """Other published formats by name, as in `fp8`, `awq`, `mxfp4`."""
    gated: bool | None = None
    """The licence must be accepted before download; None = not known."""
    licence: str | None = None
    source: str = ""
    retrieved: datetime.date | None = None
    unverified: tuple[str, ...] = ()
    """Fields that no checked source confirms."""

    @property
    def embedding_parameters(self) -> int | None:
        """Numbers in the token embedding and, unless tied, the output layer."""
        if self.vocab is None or self.hidden is None:
            return None
        return self.vocab * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def expert_layers(self) -> int:
        """Layers with experts."""
        if self.experts is None:
            return 0
        return (self.layers or 0) if self.experts.layers is None else self.experts.layers

    @property
    def expert_parameters(self) -> int:
        """Numbers in all routed experts; 0 without."""
        if self.experts is None or not self.hidden:
            return 0
        each = self.mlp_matrices * self.hidden * self.experts.intermediate
        return self.expert_layers * self.experts.count * each

    @property
    def full_attention_layers(self) -> int | None:
        """Layers that keep KV for every token."""
        if self.attention_layers is not None or self.layers is None:
            return self.attention_layers
        sliding = self.sliding.layers if self.sliding else 0
        return self.layers - sliding - (self.recurrent.layers if self.recurrent else 0)


@cache
def model_catalogue() -> Mapping[str, ModelFacts]:
    """Return all catalogued models by Hugging Face repository."""
    data = data_file("models.yaml")
    return MappingProxyType(
        {
            name: ModelFacts(id=name, **{"retrieved": data["retrieved"]} | family["common"] | row)
            for family in data["families"].values()
            for name, row in family["models"].items()
        }
    )


@cache
def find_model(name: str) -> ModelFacts | None:
    """Return the catalogued model that `name` is, or is derived from by quantising or fine-tuning.

    `cyankiwi/gemma-4-31B-it-AWQ-4bit` is google/gemma-4-31B-it in another weight format. A name counts as
    derived where it holds all words of a catalogued repository in their order; the longest such one wins.
    """
    catalogue = model_catalogue()
    if name in catalogue:
        return catalogue[name]
    for facts in catalogue.values():
        if any(known.repository == name for known in facts.formats.values()):
            return facts
    words = _words(name.rsplit("/", 1)[-1])
    return _derived(words, dated=True) or _derived(words, dated=False)


def _derived(words: tuple[str, ...], *, dated: bool) -> ModelFacts | None:
    """The longest catalogued name inside `words`; `dated`: a release's year and month must be there too."""
    found = [
        (len(part), facts)
        for facts in model_catalogue().values()
        if (part := _key_words(facts.id, dated=dated)) and _inside(part, words)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def find_recipe(name: str) -> tuple[str, WeightFormat] | None:
    """Return the format of a catalogued repository of quantised weights, with what it does its own way."""
    facts = find_model(name)
    formats = facts.formats if facts else {}
    return next(((form, known) for form, known in formats.items() if known.repository == name), None)


_TUNING = frozenset({"it", "instruct", "chat", "base", "hf", "meta", "preview"})
_KIND = re.compile(r"vl|omni|vision|audio|next|mini|[0-9.]+[bm]|a[0-9.]+b|e[0-9]+b|8x|[0-9.]*v")
"""Words that make another model of a name: they must be the same on both sides."""


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z]+[0-9.]*[a-z]*|[0-9.]+[a-z]*", name.lower().replace("_", "-")))


def _key_words(repository: str, *, dated: bool) -> tuple[str, ...]:
    words = (word for word in _words(repository.rsplit("/", 1)[-1]) if word not in _TUNING)
    return tuple(word for word in words if dated or not re.fullmatch(r"2[4-9]\d\d", word))


def _inside(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    kinds = [{word for word in words if _KIND.fullmatch(word)} for words in (part, whole)]
    rest = iter(word for word in whole if word not in _TUNING)
    return kinds[0] == kinds[1] and all(word in rest for word in part)
