"""Models of the stack file: versions on engines, traffic, scaling, objectives, external providers."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from components.spec import BalancingPolicy, EngineName, FlagValue
from infra.stackfile.base import Percent, PositiveInt, Seconds, Settings
from infra.stackfile.releases import ReleaseSettings
from planner.throughput import Measured


class CacheSettings(Settings):
    """Where weights are kept between restarts."""

    kind: Literal["empty_dir", "host_path", "pvc"] = "empty_dir"
    """empty_dir: gone with the pod. host_path: kept on the node. pvc: a volume of its own."""
    size_gib: PositiveInt = 100
    """Size of the volume, GiB."""
    host_path: str | None = None
    """Folder on the node, for kind host_path."""


class VersionSettings(Settings):
    """An engine with weights and flags on a pool."""

    engine: EngineName
    """Program that serves the model."""
    engine_version: str | None = None
    """Release of the engine without `v`; None = the one llmserve was tested with."""
    image: str | None = None
    """Image with tag or digest; None = the official image of engine_version."""
    model: str
    """Hugging Face repository, Ollama tag, or s3:// address."""
    revision: str | None = None
    """Commit of the weights' repository; pin it, else weights may change under you."""
    pool: str
    """Pool whose nodes run it."""
    preset: Literal["basic", "production", "quantized"] | None = None
    """Engine numbers taken where a field below is not given."""
    replicas: PositiveInt | None = None
    """Fixed count; only without the model's `scaling`."""
    tensor_parallel: PositiveInt | None = None
    """GPUs a layer is split over."""
    pipeline_parallel: PositiveInt | None = None
    """Stages the layers are split into."""
    max_model_len: PositiveInt | None = None
    """Longest prompt plus answer, tokens."""
    max_input_tokens: PositiveInt | None = None
    """Longest prompt, tokens (tgi)."""
    max_num_seqs: PositiveInt | None = None
    """Requests worked on at once."""
    max_num_batched_tokens: PositiveInt | None = None
    """Tokens of one forward pass."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of GPU memory the engine may take."""
    quantization: str | None = None
    """Quantisation method, in the engine's own word."""
    dtype: str | None = None
    """Type of weights and activations."""
    kv_cache_dtype: str | None = None
    """Type of the KV cache."""
    prefix_caching: bool | None = None
    """Reuse of the KV cache of equal prefixes."""
    chunked_prefill: bool | None = None
    """Prefill in chunks between decodes."""
    flags: dict[str, FlagValue] = Field(default_factory=dict)
    """Further flags of the engine without dashes; true = bare flag. Checked against engine_version."""
    env: dict[str, str] = Field(default_factory=dict)
    """Further environment of the engine; never secrets."""
    cpu: Annotated[float, Field(gt=0)] | None = None
    """CPU cores of a pod; None = its GPUs' share of the node."""
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    """Memory of a pod; None = its GPUs' share of the node."""
    shm_gib: Annotated[int, Field(ge=0)] | None = None
    """Shared memory, part of memory_gib; None = 1 for one GPU, 8 for more."""
    cache: CacheSettings = Field(default_factory=CacheSettings)
    """Volume for weights and compiled kernels."""
    model_token: str | None = None
    """Name of the secret config key with the token for gated weights, as in `hf_token`."""
    startup_seconds: Annotated[int, Field(ge=30, le=86_400)] | None = None
    """Longest time from container start to ready."""
    prestop_seconds: Seconds | None = None
    """Wait after leaving the Service before SIGTERM."""
    drain_seconds: Seconds | None = None
    """Time for in-flight requests after SIGTERM."""
    surge: bool = True
    """Roll by adding a pod first; needs a spare GPU. False: by taking one away first."""
    config_json: str | dict[str, Any] | None = None
    """For models the planner does not know: their config.json, whole or as a path beside the stack file."""
    weights_gib: Annotated[float, Field(gt=0)] | None = None
    """Size of all weights, GiB, from the headers of their safetensors files; None = from the architecture."""
    measured: Measured | None = None
    """What a load test of one replica showed; None = throughput is an estimate."""


class ScalingSettings(Settings):
    """Replica bounds and the signal that moves them."""

    preset: Literal["textbook", "queue", "slo"] | None = None
    """Which signals: GPU-free textbook numbers, queue depth, or latency objectives."""
    min: PositiveInt = 1
    """Fewest replicas."""
    max: PositiveInt
    """Most replicas."""
    target: dict[str, float] = Field(default_factory=dict)
    """Targets other than the preset's, as in {waiting_requests: 5}."""
    via: Literal["hpa", "keda"] = "hpa"
    """hpa: native autoscaler. keda: ScaledObject over Prometheus."""


class ObjectivesSettings(Settings):
    """What users are promised; the `slo` scaling preset follows them."""

    ttft_p95_seconds: Annotated[float, Field(gt=0)]
    """95th percentile of time to first token."""
    tpot_p95_seconds: Annotated[float, Field(gt=0)]
    """95th percentile of time per output token."""


class RequestSettings(Settings):
    """What requests look like, for estimates of throughput, cost of tokens and waiting times."""

    input_tokens: PositiveInt | None = None
    """Prompt of the mean request, tokens."""
    output_tokens: PositiveInt | None = None
    """Answer of the mean request, tokens."""
    longest_output_tokens: PositiveInt | None = None
    """Longest answer clients are told they may ask for, tokens; None = time for it is not checked."""


class PriceSettings(Settings):
    """What tokens cost, USD per million: counted in the gateway's log, metrics and daily budgets."""

    input_usd: Annotated[float, Field(ge=0)]
    """Of the prompt."""
    output_usd: Annotated[float, Field(ge=0)]
    """Of the answer."""


class BalancingSettings(Settings):
    """vLLM's router before the replicas of each version that runs vLLM with more than one."""

    policy: BalancingPolicy = "cache_aware"
    """round_robin: in turn. power_of_two: the less busy of two. cache_aware: where a like prompt was."""
    replicas: PositiveInt = 2
    """Routers of a version."""
    cpu: Annotated[float, Field(gt=0)] = 0.5
    """CPU cores of one."""
    memory_mib: Annotated[int, Field(ge=128)] = 512
    """Memory of one, MiB; cache_aware keeps the beginnings of prompts in it."""
    image: str | None = None
    """Image with tag or digest; None = the one llmserve was tested with."""


class ServedModelSettings(Settings):
    """A public model name with versions of our own."""

    versions: dict[str, VersionSettings]
    """Deployed versions by name."""
    traffic: dict[str, Percent] | None = None
    """Percent per version, summing to 100; the others are standby. None = all to the only version."""
    scaling: ScalingSettings | None = None
    """Autoscaling of each version; None = fixed replicas."""
    objectives: ObjectivesSettings | None = None
    """Latency objectives."""
    requests: RequestSettings = Field(default_factory=RequestSettings)
    """What clients are expected to ask."""
    fallbacks: tuple[str, ...] = ()
    """Models asked in this order when this one fails."""
    context_fallback: str | None = None
    """Model asked when the prompt is too long."""
    capacity_requests_per_minute: PositiveInt | None = None
    """Most requests a minute it takes; tenants' priorities share it out when nearly full. None = neither."""
    sticky: bool = False
    """A tenant always gets the same version, as an A/B comparison wants; shares are of tenants then."""
    price: PriceSettings | None = None
    """What tenants are charged; None = nothing is counted."""
    balancing: BalancingSettings | None = None
    """Who picks a replica; None = the version's Service, at random for each request."""
    release: ReleaseSettings = Field(default_factory=ReleaseSettings)
    """How another version takes over."""


class ExternalModelSettings(Settings):
    """A model without pods: an external provider."""

    provider: Literal["openai", "anthropic"]
    """`openai`: any OpenAI-compatible API. `anthropic`: the Anthropic API."""
    model: str
    """The provider's name of the model."""
    base_url: str | None = None
    """Address of the API; None = the provider's own."""
    api_key: str
    """Name of the secret config key with the provider's key, as in `openai_api_key`."""
    daily_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """Spend per day after which the provider is not asked any more."""
    price: PriceSettings | None = None
    """What the provider takes; None = LiteLLM's list price of `model`, if that is on its list."""
    max_model_len: PositiveInt | None = None
    """Longest prompt plus answer, tokens."""


def _kind(value: Any) -> str:
    """Tell which of the two kinds of model a value is meant to be: only an external one has a provider."""
    if isinstance(value, ExternalModelSettings):
        return "external"
    return "external" if isinstance(value, dict) and "provider" in value else "served"


ModelSettings = Annotated[
    Annotated[ServedModelSettings, Tag("served")] | Annotated[ExternalModelSettings, Tag("external")],
    Discriminator(_kind),
]
