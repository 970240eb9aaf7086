"""A model that is not in the catalogue, from its Hugging Face `config.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.layer_kinds import layer_kinds
from planner.models import (
    Attention,
    Experts,
    FullLayers,
    LatentAttention,
    ModelFacts,
    RecurrentState,
    SlidingWindow,
    VisionTower,
)

GIB = 1024**3


def model_from_config(config: Mapping[str, Any] | Path, name: str) -> ModelFacts:
    """Return what a `config.json` tells of a model, given as its content or its path.

    A kind of layer that is not known leaves `attention` None, and with it every verdict uncertain.

    Raises:
        OSError: The path cannot be read.
        ValueError: It holds no JSON object.
    """
    whole = _read(config)
    text = whole.get("text_config") or whole.get("llm_config") or whole
    sliding, recurrent, attention_layers, known = layer_kinds(text)
    latent = _latent(text)
    experts = _experts(text)
    vision = whole.get("vision_config")
    pattern = text.get("hybrid_override_pattern")
    return ModelFacts(
        id=name,
        layers=text.get("num_hidden_layers"),
        attention_layers=attention_layers,
        hidden=text.get("hidden_size"),
        intermediate=_dense_width(text, experts),
        heads=text.get("num_attention_heads"),
        kv_heads=text.get("num_key_value_heads") or text.get("num_attention_heads"),
        head_dim=None if latent else _head_dim(text),
        vocab=text.get("vocab_size"),
        tied_embeddings=bool(text.get("tie_word_embeddings", whole.get("tie_word_embeddings", False))),
        context=text.get("max_position_embeddings"),
        attention=_attention(known, latent, recurrent, sliding),
        sliding=sliding,
        full_layers=_full_layers(text),
        latent=latent,
        recurrent=recurrent,
        experts=experts,
        mlp_layers=pattern.count("-") if pattern else None,
        mlp_matrices=2 if str(text.get("mlp_hidden_act") or "").startswith("relu2") else 3,
        output_gate=bool(text.get("attn_output_gate", False)),
        multimodal=vision is not None or "audio_config" in whole,
        vision=_vision(vision or {}),
        vision_parameters_billion=0.4 if vision is not None else 0.0,
        position_copies=4 if "mrope_section" in json.dumps(text) else 1,
        native_format=_native_format(whole, text),
        unverified=("vision_parameters_billion",) if vision is not None else (),
        source="config.json",
    )


def checked_model(config: Mapping[str, Any], name: str) -> ModelFacts:
    """As `model_from_config`, for a config.json that anyone may have written.

    Raises ValueError, in words, where it is not that of a language model.
    """
    try:
        facts = model_from_config(config, name)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as problem:
        raise ValueError(f"cannot be read: {' '.join(str(problem).split())[:200]}") from None
    needed = (facts.layers, facts.hidden, facts.heads, facts.vocab)
    if not all(size is not None and size > 0 for size in needed):
        raise ValueError("lacks num_hidden_layers, hidden_size, num_attention_heads or vocab_size")
    if any(size is not None and size < 1 for size in (facts.kv_heads, facts.head_dim, facts.context)):
        raise ValueError("has a size below 1")
    return facts


def weights_gib(bytes_per_dtype: Mapping[str, int]) -> float:
    """Return the size of all weights from the bytes of each dtype in a safetensors index or its headers."""
    return sum(bytes_per_dtype.values()) / GIB


def _read(config: Mapping[str, Any] | Path) -> Mapping[str, Any]:
    content = json.loads(config.read_text(encoding="utf-8")) if isinstance(config, Path) else config
    if not isinstance(content, Mapping):
        raise ValueError("config.json holds no JSON object")
    return content


def _latent(text: Mapping[str, Any]) -> LatentAttention | None:
    if not text.get("kv_lora_rank") or not text.get("qk_rope_head_dim"):
        return None
    return LatentAttention(
        kv_lora_rank=text["kv_lora_rank"],
        qk_rope_head_dim=text["qk_rope_head_dim"],
        qk_nope_head_dim=text.get("qk_nope_head_dim"),
        v_head_dim=text.get("v_head_dim"),
        q_lora_rank=text.get("q_lora_rank"),
        indexer_head_dim=text.get("index_head_dim") or 0,
    )


def _experts(text: Mapping[str, Any]) -> Experts | None:
    count = next(
        (text[key] for key in ("num_experts", "num_local_experts", "n_routed_experts") if text.get(key)), 0
    )
    width = text.get("moe_intermediate_size") or text.get("intermediate_size")
    layers = text.get("num_hidden_layers")
    if not count or not width or not layers:
        return None
    dense = text.get("first_k_dense_replace") or len(text.get("mlp_only_layers") or ())
    pattern = text.get("hybrid_override_pattern")
    shared = text.get("shared_expert_intermediate_size") or text.get("moe_shared_expert_intermediate_size")
    return Experts(
        count=count,
        active=text.get("num_experts_per_tok") or text.get("top_k_experts") or 1,
        intermediate=width,
        layers=pattern.count("E") if pattern else layers - dense if dense else None,
        shared_intermediate=shared or (text.get("n_shared_experts") or 0) * width,
    )


def _dense_width(text: Mapping[str, Any], experts: Experts | None) -> int | None:
    """None where every layer has experts only: `intermediate_size` is then unused or the experts'."""
    width: int | None = text.get("intermediate_size")
    if experts is None or experts.layers is not None or text.get("enable_moe_block"):
        return width
    return None


def _full_layers(text: Mapping[str, Any]) -> FullLayers | None:
    width = text.get("global_head_dim")
    if not width:
        return None
    kv_heads = text.get("num_global_key_value_heads") or text.get("num_key_value_heads")
    return FullLayers(kv_heads=kv_heads, head_dim=width) if kv_heads else None


def _vision(config: Mapping[str, Any]) -> VisionTower | None:
    """Known only for towers that merge square patches, as Qwen's do."""
    merge = config.get("spatial_merge_size")
    if not merge or not config.get("hidden_size") or not config.get("intermediate_size"):
        return None
    return VisionTower(
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        patches_per_token=merge**2,
        item_tokens=16384,
    )


def _attention(
    known: bool,
    latent: LatentAttention | None,
    recurrent: RecurrentState | None,
    sliding: SlidingWindow | None,
) -> Attention | None:
    if not known or (latent is not None and recurrent is not None):
        return None
    if latent is not None:
        return "mla"
    if recurrent is not None:
        return "hybrid"
    return "sliding" if sliding is not None else "full"


def _native_format(whole: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    method = (whole.get("quantization_config") or text.get("quantization_config") or {}).get("quant_method")
    return str(method) if method else str(whole.get("torch_dtype") or text.get("dtype") or "bfloat16")


def _head_dim(text: Mapping[str, Any]) -> int | None:
    width, hidden, heads = (text.get(key) for key in ("head_dim", "hidden_size", "num_attention_heads"))
    return width or (hidden // heads if hidden and heads else None)
