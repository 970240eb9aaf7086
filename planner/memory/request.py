"""What the memory estimator is asked, and what it answers."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.gpus import Gpu
from planner.models import ModelFacts, WeightFormat

Verdict = Literal["fits", "does_not_fit", "uncertain"]


class MemoryRequest(BaseModel):
    """One engine with a model on GPUs of one kind. None = the engine's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str = "vllm"
    engine_version: str | None = None
    as_of: str | None = None
    """Date of the run, `YYYY[-MM[-DD]]`: only used to guess a version that is not known."""
    model: ModelFacts
    weight_format: str | None = None
    """As in `bf16`, `fp8`, `awq`, `gptq`, `mxfp4`; None = the model's native format."""
    weights_gib: float | None = None
    """All weights of the model, when known from its safetensors headers: better than from architecture."""
    recipe: WeightFormat | None = None
    """The repository's own recipe, where the catalogue has it: `planner.models.find_recipe`."""
    dtype: str | None = None
    kv_cache_dtype: str | None = None
    gpu: Gpu
    gpus_per_node: int | None = None
    """GPUs of one machine; None = as many as needed."""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    expert_parallel: bool = False
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    enforce_eager: bool = False
    pooling: bool = False
    """An embedding or reward model: no sampler."""
    text_only: bool = False
    """Images and sound are switched off, so that their encoder is not loaded."""
    cpu_offload_gib: float = 0.0
    speculative_tokens: int = 0
    """Tokens a drafter guesses ahead; 0 = no speculative decoding."""
    own_drafter: bool = False
    """The drafter is the model's own multi-token-prediction layer (MTP), not a model beside it."""
    max_graph_size: int | None = None
    """Largest batch CUDA graphs are captured for; None = the release's default."""
    decode_context_parallel: int = 1
    """GPUs of a tensor-parallel group the KV cache of one request is spread over."""
    chunked_prefill: bool = True
    prefix_caching: bool | None = None
    """None = the release's default."""
    windows_kept: bool | None = None
    """False where a KV connector or a flag turns the hybrid KV manager off; None = the release's default."""

    unmodelled: tuple[str, ...] = ()
    """Features in use whose memory is not modelled, as in `LoRA adapters`: the verdict is `uncertain`."""

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor_parallel * self.pipeline_parallel


class Check(StrEnum):
    """What a configuration fails by, or would fail by first."""

    COMPATIBILITY = "chip, parallelism or number format do not go together"
    WEIGHTS = "weights do not fit the GPU"
    NO_KV = "nothing is left for the KV cache"
    ONE_REQUEST = "one request of max_model_len does not fit the KV cache"
    STATES = "fewer state blocks than max_num_seqs"
    GRAPHS = "CUDA graphs do not fit what utilisation leaves free"
    NOT_MODELLED = "not modelled"


class Change(BaseModel):
    """One change of settings that would make a configuration fit, smallest kinds first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    setting: str
    """As in the stack file: `max_model_len`, `max_num_seqs`, ..., `instance_type`."""
    value: str | int | float
    text: str
    usd_per_hour_more: float | None = None
    """Price difference of one replica; None where none applies or is known."""


class MemoryEstimate(BaseModel):
    """GPU memory of one engine, GiB per GPU. None = could not be told; `reasons` say why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    limiting: Check | None = None
    """The tightest check."""
    reasons: tuple[str, ...] = ()
    total_gib: float | None = None
    requested_gib: float | None = None
    """What the engine takes in all: total times utilisation."""
    weights_gib: float | None = None
    activation_gib: float | None = None
    non_torch_gib: float | None = None
    cuda_graph_gib: float | None = None
    """Charged to the budget or not, see `docs/planner.md`."""
    kv_available_gib: float | None = None
    kv_low_gib: float | None = None
    kv_high_gib: float | None = None
    """80 % interval of `kv_available_gib`."""
    kv_request_gib: float | None = None
    """KV memory of one request of `max_model_len` tokens."""
    kv_cache_tokens: int | None = None
    """What the engine's log calls its KV cache size."""
    max_concurrency: float | None = None
    """Requests of `max_model_len` tokens at once."""
    headroom_gib: float | None = None
    """Slack of the tightest check; below 0 = fails."""
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    """The last four with the engine's defaults filled in."""
