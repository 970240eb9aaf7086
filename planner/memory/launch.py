"""From a version's settings, named as in the stack file and the engine's flags, to a memory request."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from planner.catalogue import InstanceType
from planner.gpus import Gpu
from planner.memory.changes import instance_gpu
from planner.memory.request import MemoryRequest
from planner.memory.weights import weight_format
from planner.models import ModelFacts, find_model, find_recipe

_OLLAMA_FORMAT = "q4_k_m"
"""What a tag without one stands for (ollama.com library; UNVERIFIED for tags that say otherwise)."""


def launch_request(
    *,
    engine: str,
    engine_version: str,
    model: str,
    instance: InstanceType,
    facts: ModelFacts | None = None,
    quantization: str | None = None,
    flags: Mapping[str, Any] | None = None,
    **settings: Any,
) -> MemoryRequest | None:
    """Return the request for one replica on an EC2 type; None if the type has no GPU.

    `model` is the repository, `s3://` address or Ollama tag; `facts` is given where the catalogue has
    none (`planner.model_config.model_from_config`). `flags` are the engine's own, without dashes. `settings`
    are fields of `MemoryRequest` by their names; None = not set.
    """
    gpu = instance_gpu(instance)
    if gpu is None:
        return None
    name = PurePosixPath(model).name if model.startswith("s3://") else model
    facts = facts or find_model(name) or ModelFacts(id=model)
    recipe = find_recipe(name)
    given = {key: value for key, value in settings.items() if value is not None}
    return MemoryRequest(
        engine=engine,
        engine_version=engine_version,
        model=facts,
        weight_format=_format(engine, name, facts, quantization),
        recipe=recipe[1] if recipe else None,
        gpu=gpu,
        gpus_per_node=instance.gpus,
        **_flag_fields(flags or {}) | given,
    )


def on_instance(request: MemoryRequest, instance: InstanceType, gpu: Gpu) -> MemoryRequest:
    """The same request on another EC2 type."""
    return request.model_copy(update={"gpu": gpu, "gpus_per_node": instance.gpus})


def _format(engine: str, name: str, facts: ModelFacts, quantization: str | None) -> str | None:
    """Format of the weights: as asked, as catalogued for the repository, as its name says, or the native."""
    if quantization is not None and weight_format(quantization) is not None:
        return quantization
    if name != facts.id and (recipe := find_recipe(name)) is not None:
        return recipe[0]
    if name != facts.id and (named := weight_format(name)) is not None:
        return named.name
    return _OLLAMA_FORMAT if engine == "ollama" else None


def _flag_fields(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Request fields that vLLM's flags stand for (facts: components/engines/vllm.yaml)."""
    found: dict[str, Any] = {}
    if flags.get("enforce-eager"):
        found["enforce_eager"] = True
    if flags.get("enable-expert-parallel"):
        found["expert_parallel"] = True
    if flags.get("runner") == "pooling":
        found["pooling"] = True
    if flags.get("language-model-only") or _no_media(flags.get("limit-mm-per-prompt")):
        found["text_only"] = True
    if flags.get("kv-transfer-config") or flags.get("disable-hybrid-kv-cache-manager"):
        found["windows_kept"] = False
    for flag, field in _NUMBERS.items():
        if flags.get(flag) is not None:
            found[field] = flags[flag]
    unmodelled = tuple(feature for flag, feature in _UNMODELLED.items() if flags.get(flag))
    return found | _drafter(flags) | {"unmodelled": unmodelled}


_UNMODELLED = {
    "enable-lora": "LoRA adapters",
    "enable-sleep-mode": "the allocator of sleep mode",
    "kv-cache-memory-bytes": "a KV cache of given size",
    "num-gpu-blocks-override": "a KV cache of given size",
    "offload-backend": "offloading to host memory",
    "performance-mode": "batch limits of performance modes",
}
_NUMBERS = {
    "cpu-offload-gb": "cpu_offload_gib",
    "data-parallel-size": "data_parallel",
    "decode-context-parallel-size": "decode_context_parallel",
    "max-cudagraph-capture-size": "max_graph_size",
}


def _no_media(limits: Any) -> bool:
    numbers = re.findall(r"\d+", str(limits or ""))
    return bool(numbers) and not any(int(number) for number in numbers)


def _drafter(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Speculative decoding, from `speculative-config` (JSON) or the short flags."""
    try:
        config = json.loads(str(flags.get("speculative-config") or "{}"))
    except ValueError:
        config = {}
    if not isinstance(config, dict):
        config = {}
    method = str(flags.get("spec-method") or config.get("method") or "")
    tokens = flags.get("spec-tokens") or config.get("num_speculative_tokens")
    if not tokens and not method and not config:
        return {}
    return {"speculative_tokens": int(tokens or 1), "own_drafter": "mtp" in method.lower()}
