"""One line of the batch interface: a launch described loosely, as a request to the estimator.

Values may be null, of the wrong kind or free text: what cannot be read counts as not given.
"""

import re
from collections.abc import Mapping
from typing import Any

from planner.gpus import Gpu, find_gpu
from planner.memory import MemoryRequest
from planner.memory.weights import USUAL_VISION_BILLION
from planner.models import (
    Attention,
    Experts,
    LatentAttention,
    ModelFacts,
    RecurrentState,
    SlidingWindow,
    WeightFormat,
    find_model,
    find_recipe,
)
from planner.parameters import count_parameters

_USUAL_VOCABULARY = 150_000
"""Where a case does not tell it: the answer then has numbers, but the verdict `uncertain`."""


def request_of(case: Mapping[str, Any]) -> MemoryRequest | str:
    """Return the request a case stands for, or why there can be none."""
    gpu = _gpu(_mapping(case.get("gpu")))
    if gpu is None:
        return "the GPU's memory is not known"
    extra = _mapping(case.get("extra"))
    facts = _facts(_mapping(case.get("model")))
    speculative = extra.get("speculative_decoding") or extra.get("speculative")
    return MemoryRequest(
        engine_version="0.7" if "V0" in str(extra.get("engine")) else _text(case.get("vllm_version")),
        as_of=_text(case.get("as_of")),
        model=facts,
        weight_format=_text(case.get("weight_format")),
        recipe=_recipe(facts),
        kv_cache_dtype=_text(case.get("kv_cache_dtype")),
        gpu=gpu,
        tensor_parallel=_integer(case.get("tensor_parallel")) or 1,
        pipeline_parallel=_integer(case.get("pipeline_parallel")) or 1,
        data_parallel=_integer(case.get("data_parallel")) or 1,
        expert_parallel=bool(extra.get("expert_parallel")),
        max_model_len=_integer(case.get("max_model_len")),
        max_num_seqs=_integer(case.get("max_num_seqs")),
        max_num_batched_tokens=_integer(case.get("max_num_batched_tokens")),
        gpu_memory_utilization=_share(case.get("gpu_memory_utilization")),
        enforce_eager=case.get("enforce_eager") is True,
        pooling=_text(extra.get("runner")) == "pooling",
        text_only=_text_only(extra),
        cpu_offload_gib=_number(extra.get("cpu_offload_gb")) or 0.0,
        speculative_tokens=_speculative_tokens(extra) if speculative else 0,
        own_drafter="mtp" in str(extra.get("speculative") or "").lower(),
        max_graph_size=_graph_size(extra),
        decode_context_parallel=_integer(extra.get("decode_context_parallel")) or 1,
        chunked_prefill=extra.get("chunked_prefill") is not False,
        prefix_caching=True if extra.get("prefix_caching") is True else None,
        unmodelled=_unmodelled(extra),
        windows_kept=False if extra.get("kv_connector") else None,
    )


def _recipe(facts: ModelFacts) -> WeightFormat | None:
    found = find_recipe(facts.id)
    return found[1] if found else None


def _gpu(described: Mapping[str, Any]) -> Gpu | None:
    name = _text(described.get("model")) or ""
    known, logged = find_gpu(name), _number(described.get("total_gib"))
    if logged:
        if known is None:
            return Gpu(name=name, gib=logged)
        return known.model_copy(update={"gib": logged, "error_gib": 0.0})
    if known:
        return known
    nominal = re.search(r"(\d+(?:\.\d+)?) ?GB\b", name)
    if nominal is None:
        return None
    size = float(nominal[1])
    return Gpu(name=name, gib=0.985 * size, error_gib=0.02 * size)


def _facts(described: Mapping[str, Any]) -> ModelFacts:
    """The catalogue's model where the name is known, completed and corrected by what the case says."""
    name = _text(described.get("id")) or "unknown"
    known = find_model(name)
    billions, vocab = _number(described.get("params_b")), _integer(described.get("vocab"))
    if known is not None and _agrees(known, described):
        return known.model_copy(update={"id": name})
    found = ModelFacts(
        id=name,
        parameters_billion=billions,
        layers=_integer(described.get("layers")),
        hidden=_integer(described.get("hidden")),
        heads=_integer(described.get("heads")),
        kv_heads=_integer(described.get("kv_heads")) or _integer(described.get("heads")),
        head_dim=_integer(described.get("head_dim")),
        vocab=vocab or _USUAL_VOCABULARY,
        tied_embeddings=described.get("tied_embeddings") is True,
        attention=_attention(described),
        sliding=_sliding(described),
        recurrent=_recurrent(described),
        latent=_latent(_mapping(described.get("mla"))),
        experts=_experts(described),
        multimodal=described.get("multimodal") is True,
        vision_parameters_billion=USUAL_VISION_BILLION if described.get("multimodal") is True else 0.0,
        unverified=("vision_parameters_billion",) if vocab else ("vision_parameters_billion", "vocab"),
    )
    return _completed(found)


def _completed(facts: ModelFacts) -> ModelFacts:
    """With the width of MLP or experts that accounts for the parameters the rest of the model does not."""
    if not facts.parameters_billion or not facts.layers or not facts.hidden:
        return facts
    experts = facts.experts
    if experts and experts.intermediate:
        return facts
    without = count_parameters(facts if experts else facts.model_copy(update={"intermediate": 0}))
    rest = facts.parameters_billion * 1e9 - (
        0.05 * facts.parameters_billion * 1e9 if without is None else without
    )
    width = max(0, round(rest / (facts.layers * 3 * facts.hidden * (experts.count if experts else 1))))
    if experts:
        return facts.model_copy(update={"experts": experts.model_copy(update={"intermediate": width})})
    return facts.model_copy(update={"intermediate": width or None})


def _agrees(known: ModelFacts, described: Mapping[str, Any]) -> bool:
    """Whether the case's own numbers are those of the catalogue, as far as it gives any."""
    for key in ("layers", "hidden", "heads", "vocab"):
        said = _integer(described.get(key))
        if (
            said is not None
            and said != getattr(known, key)
            and not (key == "vocab" and abs(said - (known.vocab or 0)) < 1024)
        ):
            return False
    return True


def _attention(described: Mapping[str, Any]) -> Attention | None:
    text = (_text(described.get("attention")) or "").lower()
    if described.get("hybrid") or "hybrid" in text:
        return "hybrid"
    if "mla" in text or described.get("mla"):
        return "mla"
    if "swa" in text or "sliding" in text or described.get("sliding_window"):
        return "sliding"
    return "full" if any(word in text for word in ("gqa", "mha", "mqa", "full")) else None


def _sliding(described: Mapping[str, Any]) -> SlidingWindow | None:
    """From texts such as `128 tokens on alternate layers (18 of 36)` or `1024 tokens, 5 local : 1 global`."""
    text, layers = str(described.get("sliding_window") or ""), _integer(described.get("layers"))
    window = re.match(r"\s*(\d+)", text)
    if window is None or not layers:
        return None
    counted = re.search(r"(\d+) of (\d+)", text)
    ratio = re.search(r"(\d+)(?: local)? ?: ?(\d+)", text)
    if counted:
        local = int(counted[1])
    elif ratio:
        local = layers - layers // (int(ratio[1]) + int(ratio[2])) * int(ratio[2])
    elif "altern" in text:
        local = layers // 2
    else:
        return None
    return SlidingWindow(window=int(window[1]), layers=min(local, layers))


def _recurrent(described: Mapping[str, Any]) -> RecurrentState | None:
    """How many layers are recurrent, from texts such as `full attention every 4th layer (10 of 40)`."""
    text, layers = str(described.get("hybrid") or ""), _integer(described.get("layers"))
    counted, every = re.search(r"(\d+) of (\d+)", text), re.search(r"every (\d+)", text)
    if not layers or not (counted or every):
        return None
    attention = int(counted[1]) if counted else layers // max(1, int(every[1])) if every else 0
    if not 0 < attention < layers:
        return None
    return RecurrentState(
        layers=layers - attention, conv_channels=0, conv_kernel=1, heads=0, head_width=0, state_width=0
    )


def _latent(described: Mapping[str, Any]) -> LatentAttention | None:
    rank, rope = _integer(described.get("kv_lora_rank")), _integer(described.get("qk_rope_head_dim"))
    return LatentAttention(kv_lora_rank=rank, qk_rope_head_dim=rope) if rank and rope else None


def _experts(described: Mapping[str, Any]) -> Experts | None:
    count, width = _integer(described.get("moe_experts")), _integer(described.get("moe_intermediate"))
    active = _integer(described.get("moe_topk"))
    if not count or not active:
        return None
    return Experts(count=count, active=active, intermediate=width or 0)


def _graph_size(extra: Mapping[str, Any]) -> int | None:
    sizes = extra.get("cudagraph_capture_sizes")
    listed = [size for size in sizes if isinstance(size, int)] if isinstance(sizes, list) else []
    return max(listed, default=None) or _integer(extra.get("max_cudagraph_capture_size"))


def _text_only(extra: Mapping[str, Any]) -> bool:
    limits = re.findall(r"\d+", str(extra.get("limit_mm_per_prompt") or ""))
    return bool(extra.get("language_model_only")) or (bool(limits) and not any(int(n) for n in limits))


def _unmodelled(extra: Mapping[str, Any]) -> tuple[str, ...]:
    known = {"lora": "LoRA adapters", "enable_sleep_mode": "the allocator of sleep mode"}
    return tuple(feature for key, feature in known.items() if extra.get(key))


def _speculative_tokens(extra: Mapping[str, Any]) -> int:
    found = re.search(r"k ?= ?(\d+)|num_speculative_tokens\D*(\d+)", str(extra.get("speculative") or ""))
    return int(found[1] or found[2]) if found else 1


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    """A finite positive number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e15 else None


def _integer(value: object) -> int | None:
    found = _number(value)
    return round(found) or None if found is not None else None


def _share(value: object) -> float | None:
    found = _number(value)
    return found if found is not None and found <= 1 else None
