"""Text Generation Inference, Hugging Face's server."""

from collections.abc import Mapping
from typing import ClassVar

from components.engines.base import (
    ALL_INTERFACES,
    CACHE_PATH,
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
from planner.finding import Finding, error, warning

_PORT = 8000
"""The image's own default is 80, which a user other than root cannot bind."""


class Tgi(Adapter):
    """Facts: facts.md §8. It measures no time to first token.

    It does not look at the model name of a request, so that any served name will do.
    """

    engine = "tgi"
    metrics = EngineMetrics(
        waiting="tgi_queue_size",
        running="tgi_batch_current_size",
        tpot_histogram="tgi_request_mean_time_per_token_duration",
        success="tgi_request_success",
    )
    fields: ClassVar[Mapping[str, str]] = {
        "revision": "revision",
        "tensor_parallel": "num-shard",
        "max_model_len": "max-total-tokens",
        "max_input_tokens": "max-input-tokens",
        "max_num_seqs": "max-batch-size",
        "max_num_batched_tokens": "max-batch-prefill-tokens",
        "gpu_memory_utilization": "cuda-memory-fraction",
        "quantization": "quantize",
        "dtype": "dtype",
        "kv_cache_dtype": "kv-cache-dtype",
    }
    special_fields: ClassVar[Mapping[str, str]] = {
        "model": "model-id",
        "drain_seconds": "graceful-termination-timeout",
    }
    fixed = frozenset({"hostname", "port", "usage-stats", "HF_HOME", "HUGGINGFACE_HUB_CACHE"})

    def container(self, spec: EngineSpec) -> EngineContainer:
        """Render text-generation-launcher, the image's entrypoint."""
        known = release("tgi", spec.engine_version)
        health = Probe(path="/health")
        flags = {
            "model-id": spec.model,
            "hostname": ALL_INTERFACES,
            "port": _PORT,
            "graceful-termination-timeout": spec.drain_seconds,
            "usage-stats": "off",
            **self.copied_fields(spec),
            **spec.flags,
        }
        return EngineContainer(
            image=image(spec, known),
            args=flag_args(known, flags),
            env={
                **HUGGING_FACE_ENV,
                "HUGGINGFACE_HUB_CACHE": f"{CACHE_PATH}/huggingface/hub",
                "HOME": TEMP_PATH,
                **spec.env,
            },
            port=_PORT,
            startup=health,
            readiness=health,
            liveness=health,
            metrics_path="/metrics",
            token_env=HUGGING_FACE_ACCESS,
            needs_shm=True,
            user_id=1000,  # the image runs as root by default; that this works is UNVERIFIED
            group_id=1000,
            read_only_root=False,
        )

    def own_findings(self, spec: EngineSpec, path: str) -> list[Finding]:
        """Maintenance mode; weights TGI cannot read; a prompt that leaves no room for an answer."""
        found = [
            warning(
                f"{path}.engine",
                "TGI is in maintenance mode since 2025-12-11",
                "prefer vllm or sglang for new models",
            )
        ]
        if spec.model.startswith("s3://"):
            found.append(
                error(f"{path}.model", "tgi cannot read s3://", "use vllm or a Hugging Face repository")
            )
        if spec.max_input_tokens and spec.max_model_len and spec.max_input_tokens >= spec.max_model_len:
            message = f"is {spec.max_input_tokens}, not less than max_model_len {spec.max_model_len}"
            found.append(error(f"{path}.max_input_tokens", message, "leave tokens for the answer"))
        return found
