"""vLLM's OpenAI-compatible server."""

from collections.abc import Mapping
from typing import ClassVar

from components.engines.base import (
    ALL_INTERFACES,
    CACHE_PATH,
    HUGGING_FACE_ACCESS,
    HUGGING_FACE_ENV,
    Adapter,
    EngineContainer,
    EngineMetrics,
    Probe,
    image,
)
from components.engines.table import flag_args, release
from components.spec import EngineSpec

_PORT = 8000


class Vllm(Adapter):
    """Facts: facts.md §7, read from the wheels. Health answers only once the model is loaded."""

    engine = "vllm"
    metrics = EngineMetrics(
        waiting="vllm:num_requests_waiting",
        running="vllm:num_requests_running",
        kv_usage="vllm:kv_cache_usage_perc",
        ttft_histogram="vllm:time_to_first_token_seconds",
        tpot_histogram="vllm:request_time_per_output_token_seconds",
        prompt_histogram="vllm:request_prompt_tokens",
        success="vllm:request_success_total",
    )
    fields: ClassVar[Mapping[str, str]] = {
        "revision": "revision",
        "tensor_parallel": "tensor-parallel-size",
        "pipeline_parallel": "pipeline-parallel-size",
        "max_model_len": "max-model-len",
        "max_num_seqs": "max-num-seqs",
        "max_num_batched_tokens": "max-num-batched-tokens",
        "gpu_memory_utilization": "gpu-memory-utilization",
        "quantization": "quantization",
        "dtype": "dtype",
        "kv_cache_dtype": "kv-cache-dtype",
        "prefix_caching": "enable-prefix-caching",
        "chunked_prefill": "enable-chunked-prefill",
    }
    special_fields: ClassVar[Mapping[str, str]] = {
        "model": "model",
        "drain_seconds": "shutdown-timeout",
    }
    fixed = frozenset(
        {
            "disable-access-log-for-endpoints",
            "host",
            "port",
            "served-model-name",
            "HF_HOME",
            "VLLM_CACHE_ROOT",
            "VLLM_ENGINE_READY_TIMEOUT_S",
        }
    )

    def container(self, spec: EngineSpec) -> EngineContainer:
        """Render `vllm serve`, the image's entrypoint, with the model as first argument."""
        known = release("vllm", spec.engine_version)
        health = Probe(path="/health")
        weights = {"load-format": "runai_streamer"} if spec.model.startswith("s3://") else {}
        flags = {
            "host": ALL_INTERFACES,
            "port": _PORT,
            "served-model-name": spec.served_name,
            "shutdown-timeout": spec.drain_seconds,
            "disable-access-log-for-endpoints": "/health,/metrics",
            **weights,
            **self.copied_fields(spec),
            **spec.flags,
        }
        return EngineContainer(
            image=image(spec, known),
            args=(spec.model, *flag_args(known, flags)),
            env={
                **HUGGING_FACE_ENV,
                "VLLM_CACHE_ROOT": f"{CACHE_PATH}/vllm",
                "VLLM_NO_USAGE_STATS": "1",
                # The engine would give up after 600 s; how long a start may take is the startup probe's say.
                "VLLM_ENGINE_READY_TIMEOUT_S": "86400",
                **spec.env,
            },
            port=_PORT,
            startup=health,
            readiness=health,
            liveness=health,
            metrics_path="/metrics",
            token_env=HUGGING_FACE_ACCESS,
            needs_shm=True,
            user_id=2000,  # prepared in the image (docs/deployment/docker.md): home and caches are group 0's
            group_id=0,
            read_only_root=False,
        )
