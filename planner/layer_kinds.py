"""Which layers of a `config.json` keep what: all tokens, a window, or a state of fixed size."""

from collections.abc import Mapping
from typing import Any

from planner.models import RecurrentState, SlidingWindow

_UNMODELLED = (
    "attention_chunk_size",
    "block_configs",
    "compress_ratios",
    "hybrid_layer_pattern",
    "linear_attn_config",
    "moe_latent_size",
    "num_kv_shared_layers",
    "sparse_attention_config",
)
"""Keys of architectures whose weights or KV cache do not follow from the numbers read here."""


def layer_kinds(
    text: Mapping[str, Any],
) -> tuple[SlidingWindow | None, RecurrentState | None, int | None, bool]:
    """Sliding layers, recurrent layers, attention layers if not all others, and whether all are known."""
    pattern = text.get("hybrid_override_pattern")
    if pattern:
        known = not any(text.get(key) for key in _UNMODELLED)
        return None, _mamba(text, pattern.count("M")), pattern.count("*"), known
    kinds = text.get("layer_types") or _kinds_of_interval(text)
    known = set(kinds) <= {"full_attention", "sliding_attention", "linear_attention"}
    known = known and not any(text.get(key) for key in _UNMODELLED)
    local = kinds.count("sliding_attention")
    window = text.get("sliding_window")
    sliding = SlidingWindow(window=window, layers=local) if window and local else None
    recurrent = _delta_net(text, kinds.count("linear_attention"))
    if kinds.count("linear_attention") and recurrent is None:
        known = False
    return sliding, recurrent, None, known


def _kinds_of_interval(text: Mapping[str, Any]) -> list[str]:
    """Layer kinds of configurations that give a rhythm instead of a list."""
    layers = text.get("num_hidden_layers") or 0
    every = text.get("full_attention_interval")
    if every and text.get("linear_num_value_heads"):
        return ["full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(layers)]
    every = text.get("sliding_window_pattern")
    if every and text.get("sliding_window"):
        return ["full_attention" if (i + 1) % every == 0 else "sliding_attention" for i in range(layers)]
    if text.get("sliding_window") and text.get("use_sliding_window", True):
        return ["sliding_attention"] * layers
    if any(
        key in text for key in ("mamba_d_state", "ssm_state_size", "linear_attn_config", "mamba_num_heads")
    ):
        return ["unknown"] * layers
    return ["full_attention"] * layers


def _delta_net(text: Mapping[str, Any], layers: int) -> RecurrentState | None:
    heads, width = text.get("linear_num_value_heads"), text.get("linear_value_head_dim")
    key_heads, key_width = text.get("linear_num_key_heads"), text.get("linear_key_head_dim")
    if not layers or not heads or not width or not key_heads or not key_width:
        return None
    return RecurrentState(
        layers=layers,
        conv_channels=2 * key_heads * key_width + heads * width,
        conv_kernel=text.get("linear_conv_kernel_dim") or 4,
        heads=heads,
        head_width=width,
        state_width=key_width,
        state_bytes=4 if text.get("mamba_ssm_dtype", "float32") == "float32" else 2,
    )


def _mamba(text: Mapping[str, Any], layers: int) -> RecurrentState | None:
    heads, width, state = (text.get(key) for key in ("mamba_num_heads", "mamba_head_dim", "ssm_state_size"))
    if not layers or not heads or not width or not state:
        return None
    return RecurrentState(
        layers=layers,
        conv_channels=heads * width + 2 * (text.get("n_groups") or 1) * state,
        conv_kernel=text.get("conv_kernel") or 4,
        heads=heads,
        head_width=width,
        state_width=state,
        state_bytes=4 if text.get("mamba_ssm_cache_dtype", "float32") == "float32" else 2,
    )
