"""Models that are not catalogued, from their config.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from planner.memory import estimate
from planner.model_config import model_from_config, weights_gib
from planner.models import model_catalogue
from planner.parameters import count_parameters
from tests.unit.planner_requests import request

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}
QWEN35_MOE: dict[str, Any] = {
    "text_config": {
        "attn_output_gate": True,
        "full_attention_interval": 4,
        "head_dim": 256,
        "hidden_size": 2048,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 262144,
        "mlp_only_layers": [],
        "moe_intermediate_size": 512,
        "num_attention_heads": 16,
        "num_experts": 256,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 40,
        "num_key_value_heads": 2,
        "rope_parameters": {"mrope_section": [11, 11, 10]},
        "shared_expert_intermediate_size": 512,
        "vocab_size": 248320,
    },
    "tie_word_embeddings": False,
    "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "spatial_merge_size": 2},
}
DEEPSEEK: dict[str, Any] = {
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {"quant_method": "fp8"},
    "v_head_dim": 128,
    "vocab_size": 129280,
}
GEMMA4: dict[str, Any] = {
    "text_config": {
        "global_head_dim": 512,
        "head_dim": 256,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 10,
        "max_position_embeddings": 262144,
        "num_attention_heads": 32,
        "num_global_key_value_heads": 4,
        "num_hidden_layers": 60,
        "num_key_value_heads": 16,
        "sliding_window": 1024,
        "tie_word_embeddings": True,
        "vocab_size": 262144,
    }
}
NEMOTRON: dict[str, Any] = {
    "conv_kernel": 4,
    "head_dim": 128,
    "hidden_size": 2688,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "intermediate_size": 1856,
    "mlp_hidden_act": "relu2",
    "mamba_head_dim": 64,
    "mamba_num_heads": 64,
    "moe_intermediate_size": 1856,
    "moe_shared_expert_intermediate_size": 3712,
    "n_groups": 8,
    "n_routed_experts": 128,
    "num_attention_heads": 32,
    "num_experts_per_tok": 6,
    "num_hidden_layers": 52,
    "num_key_value_heads": 2,
    "ssm_state_size": 128,
    "vocab_size": 131072,
}
LAYOUT = ("layers", "hidden", "heads", "kv_heads", "head_dim", "vocab", "attention", "sliding", "full_layers")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LLAMA, "meta-llama/Llama-3.1-8B-Instruct"),
        (QWEN35_MOE, "Qwen/Qwen3.5-35B-A3B"),
        (DEEPSEEK, "deepseek-ai/DeepSeek-R1"),
        (GEMMA4, "google/gemma-4-31B-it"),
        (NEMOTRON, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
    ],
)
def test_a_config_tells_what_the_catalogue_has(config: dict[str, Any], name: str) -> None:
    found, known = model_from_config(config, name), model_catalogue()[name]

    assert {key: getattr(found, key) for key in LAYOUT} == {key: getattr(known, key) for key in LAYOUT}
    assert found.recurrent == known.recurrent
    assert found.experts == known.experts
    if name.startswith(("meta", "deepseek", "nvidia")):
        assert count_parameters(found) == count_parameters(known)


def test_a_config_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8")

    assert model_from_config(path, "a/b") == model_from_config(LLAMA, "a/b")


def test_a_model_from_its_config_is_judged_like_a_catalogued_one() -> None:
    own = estimate(request(model=model_from_config(LLAMA, "a/b"), max_model_len=8192))
    known = estimate(request(max_model_len=8192))

    assert (own.verdict, own.kv_cache_tokens) == (known.verdict, known.kv_cache_tokens)


@pytest.mark.parametrize(
    "config",
    [
        {},
        LLAMA | {"layer_types": ["something new"] * 32},
        LLAMA | {"mamba_d_state": 16},
        LLAMA | {"attention_chunk_size": 8192},
        NEMOTRON | {"moe_latent_size": 1024},
        {key: value for key, value in LLAMA.items() if key != "num_hidden_layers"},
    ],
)
def test_layers_of_a_kind_not_known_are_too_close_to_call(config: dict[str, Any]) -> None:
    found = estimate(request(model=model_from_config(config, "a/b"), chip="B200", max_model_len=1024))

    assert found.verdict == "uncertain"


def test_a_window_that_is_switched_off_is_none() -> None:
    off = model_from_config(LLAMA | {"sliding_window": 4096, "use_sliding_window": False}, "a/b")
    on = model_from_config(LLAMA | {"sliding_window": 4096}, "a/b")

    assert off.sliding is None
    assert on.sliding is not None
    assert on.sliding.layers == 32


def test_the_quantisation_of_the_repository_is_its_native_format() -> None:
    assert model_from_config(DEEPSEEK, "a/b").native_format == "fp8"
    assert model_from_config(LLAMA, "a/b").native_format == "bfloat16"


def test_bytes_per_dtype_of_a_safetensors_index_add_up() -> None:
    assert weights_gib({"BF16": 2 * 1024**3, "F8_E4M3": 3 * 1024**3}) == 5


def test_a_file_that_holds_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        model_from_config([], "a/b")  # type: ignore[arg-type]
