"""SGLang's OpenAI-compatible server."""

from collections.abc import Mapping
from typing import ClassVar

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

_PORT = 30000


class Sglang(Adapter):
    """Facts: facts.md §10, read from the wheel.

    On SIGTERM it waits for all requests without a limit of its own: the grace period is the drain. `/health`
    generates a token and takes 1 to 20 s to answer, so it serves as liveness only.
    """

    engine = "sglang"
    metrics = EngineMetrics(
        waiting="sglang:num_queue_reqs",
        running="sglang:num_running_reqs",
        kv_usage="sglang:token_usage",
        ttft_histogram="sglang:time_to_first_token_seconds",
        tpot_histogram="sglang:inter_token_latency_seconds",
        success="sglang:num_requests_total",
    )
    fields: ClassVar[Mapping[str, str]] = {
        "revision": "revision",
        "tensor_parallel": "tp-size",
        "pipeline_parallel": "pp-size",
        "max_model_len": "context-length",
        "max_num_seqs": "max-running-requests",
        "max_num_batched_tokens": "max-prefill-tokens",
        "gpu_memory_utilization": "mem-fraction-static",
        "quantization": "quantization",
        "dtype": "dtype",
        "kv_cache_dtype": "kv-cache-dtype",
    }
    special_fields: ClassVar[Mapping[str, str]] = {
        "model": "model-path",
        "prefix_caching": "disable-radix-cache",
        "chunked_prefill": "chunked-prefill-size",
    }
    fixed = frozenset(
        {
            "enable-metrics",
            "host",
            "port",
            "served-model-name",
            "uvicorn-access-log-exclude-prefixes",
            "HF_HOME",
        }
    )

    def container(self, spec: EngineSpec) -> EngineContainer:
        """Render `sglang serve`; host and metrics are off by default and switched on here."""
        known = release("sglang", spec.engine_version)
        ready = Probe(path="/ready")
        weights = {"load-format": "runai_streamer"} if spec.model.startswith("s3://") else {}
        flags = {
            "model-path": spec.model,
            "host": ALL_INTERFACES,
            "port": _PORT,
            "served-model-name": spec.served_name,
            "enable-metrics": True,
            "uvicorn-access-log-exclude-prefixes": ("/ready", "/health", "/metrics"),
            **weights,
            **({"disable-radix-cache": True} if spec.prefix_caching is False else {}),
            **({"chunked-prefill-size": -1} if spec.chunked_prefill is False else {}),
            **self.copied_fields(spec),
            **spec.flags,
        }
        return EngineContainer(
            image=image(spec, known),
            command=("sglang", "serve"),
            args=flag_args(known, flags),
            env={**HUGGING_FACE_ENV, "HOME": TEMP_PATH, **spec.env},
            port=_PORT,
            startup=ready,
            readiness=ready,
            liveness=Probe(path="/health", timeout_seconds=25),  # above SGLANG_HEALTH_CHECK_TIMEOUT, 20 s
            metrics_path="/metrics",
            token_env=HUGGING_FACE_ACCESS,
            needs_shm=True,
            user_id=1000,  # the image runs as root by default; that this works is UNVERIFIED
            group_id=1000,
            read_only_root=False,
        )
