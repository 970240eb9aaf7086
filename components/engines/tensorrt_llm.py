"""TensorRT-LLM's OpenAI-compatible server, trtllm-serve, with its PyTorch backend."""

from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

from components.engines.base import (
    ALL_INTERFACES,
    HUGGING_FACE_ACCESS,
    HUGGING_FACE_ENV,
    TEMP_PATH,
    Adapter,
    EngineContainer,
    EngineMetrics,
    Probe,
    image,
)
from components.engines.table import flag_args, release
from components.spec import EngineSpec
from planner.finding import Finding, error

_PORT = 8000
_CONFIG_PATH = "/etc/engine/config.yaml"


class TensorrtLlm(Adapter):
    """Facts: facts.md §10. `/metrics` is JSON and emptied by reading; Prometheus text has a path of its own.

    It has no gauge of waiting or running requests and no drain time of its own (UNVERIFIED for 1.2.1).
    """

    engine = "tensorrt-llm"
    metrics = EngineMetrics(
        kv_usage="trtllm_kv_cache_utilization",
        ttft_histogram="trtllm_time_to_first_token_seconds",
        tpot_histogram="trtllm_time_per_output_token_seconds",
        success="trtllm_request_success_total",
    )
    fields: ClassVar[Mapping[str, str]] = {
        "revision": "revision",
        "tensor_parallel": "tp_size",
        "pipeline_parallel": "pp_size",
        "max_model_len": "max_seq_len",
        "max_num_seqs": "max_batch_size",
        "max_num_batched_tokens": "max_num_tokens",
    }
    special_fields: ClassVar[Mapping[str, str]] = {
        "chunked_prefill": "enable_chunked_prefill",
        "dtype": "dtype",
        "gpu_memory_utilization": "kv_cache_free_gpu_memory_fraction",
        "kv_cache_dtype": "kv_cache_dtype",
        "prefix_caching": "enable_block_reuse",
    }
    fixed = frozenset({"backend", "config", "host", "port", "HF_HOME"})

    def api_model(self, spec: EngineSpec) -> str:
        """It has no flag for a served name: it goes by the name of the weights."""
        return spec.model

    def container(self, spec: EngineSpec) -> EngineContainer:
        """Render trtllm-serve and its config file, the only place for metrics and KV cache settings."""
        known = release("tensorrt-llm", spec.engine_version)
        health = Probe(path="/health")
        flags = {
            "host": ALL_INTERFACES,
            "port": _PORT,
            "backend": "pytorch",
            "config": _CONFIG_PATH,
            **({"enable_chunked_prefill": True} if spec.chunked_prefill else {}),
            **self.copied_fields(spec),
            **spec.flags,
        }
        return EngineContainer(
            image=image(spec, known),
            command=("trtllm-serve",),
            args=(spec.model, *flag_args(known, flags)),
            env={**HUGGING_FACE_ENV, "HOME": TEMP_PATH, **spec.env},
            port=_PORT,
            startup=health,
            readiness=health,
            liveness=health,
            metrics_path="/prometheus/metrics",
            token_env=HUGGING_FACE_ACCESS,
            needs_shm=True,
            config_files={_CONFIG_PATH: yaml.safe_dump(_config(spec))},
            user_id=1000,  # the image runs as root by default; that this works is UNVERIFIED
            group_id=1000,
            read_only_root=False,
        )

    def own_findings(self, spec: EngineSpec, path: str) -> list[Finding]:
        """Weights TensorRT-LLM cannot read."""
        if not spec.model.startswith("s3://"):
            return []
        return [
            error(f"{path}.model", "tensorrt-llm cannot read s3://", "use vllm or a Hugging Face repository")
        ]


def _config(spec: EngineSpec) -> dict[str, Any]:
    """The config file: KV cache settings all stand here, since its `kv_cache_config` hides those of flags."""
    kv_cache = {
        "dtype": spec.kv_cache_dtype,
        "enable_block_reuse": spec.prefix_caching,
        "free_gpu_memory_fraction": spec.gpu_memory_utilization,
    }
    given = {key: value for key, value in kv_cache.items() if value is not None}
    return {
        "enable_iter_perf_stats": True,
        "return_perf_metrics": True,
        **({"dtype": spec.dtype} if spec.dtype is not None else {}),
        **({"kv_cache_config": given} if given else {}),
    }
