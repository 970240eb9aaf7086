"""Frozen specs: the only input of the manifest functions. Made from the stack file by `infra.resolve`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

EngineName = Literal["vllm", "tgi", "ollama", "sglang", "tensorrt-llm"]
FlagValue = str | int | float | bool


class Spec(BaseModel):
    """Base of all specs: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class EngineSpec(Spec):
    """What one replica of an engine serves, in terms all engines share. None = the engine's own default."""

    engine: EngineName
    engine_version: str
    """Released version without `v`, as in `0.33.0`; picks the flag table."""
    image: str | None = None
    """Full image reference with tag or digest; None = the engine's official image of `engine_version`."""
    model: str
    """Weights: a Hugging Face repository, an Ollama tag, or an `s3://` address (engines that read those)."""
    revision: str | None = None
    served_name: str
    """The name the gateway asks the engine for."""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    max_model_len: int | None = None
    """Longest prompt plus answer, tokens."""
    max_input_tokens: int | None = None
    """Longest prompt, tokens (TGI only; other engines bound the sum)."""
    max_num_seqs: int | None = None
    """Requests worked on at once."""
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    """Share of the GPU's memory the engine may take, 0-1."""
    quantization: str | None = None
    dtype: str | None = None
    kv_cache_dtype: str | None = None
    prefix_caching: bool | None = None
    chunked_prefill: bool | None = None
    flags: dict[str, FlagValue] = {}
    """Further engine flags without dashes, checked against the version's flag table. True = bare flag."""
    env: dict[str, str] = {}
    drain_seconds: int = 45
    """How long in-flight requests may go on after SIGTERM."""

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor_parallel * self.pipeline_parallel


class Resources(Spec):
    """What one pod asks for."""

    cpu_millicores: int
    memory_mib: int
    memory_limit_mib: int
    """Equal to the request for engines, so that a neighbour cannot push a model out of memory."""
    gpus: int = 0


class CacheVolume(Spec):
    """Where weights and compiled kernels are kept between restarts of a pod."""

    kind: Literal["empty_dir", "host_path", "pvc"] = "empty_dir"
    size_gib: int = 100
    storage_class: str | None = None
    host_path: str | None = None


class SecretKey(Spec):
    """One key of a Kubernetes Secret in the same namespace."""

    name: str
    key: str


class ScalingMetric(Spec):
    """One signal an autoscaler follows."""

    kind: Literal["cpu_percent", "per_pod", "external"]
    name: str
    """Metric name as the metrics API serves it; `cpu` for cpu_percent."""
    target: float
    """Percent for cpu_percent; average per pod for per_pod; absolute value for external."""
    query: str | None = None
    """PromQL that yields the same signal; needed by KEDA for all but cpu_percent."""


class ScalingRule(Spec):
    """How fast replicas may change in one direction."""

    stabilization_seconds: int
    pods: int | None = None
    percent: int | None = None
    period_seconds: int


class ScalingSpec(Spec):
    """An autoscaler that owns the replica count."""

    via: Literal["hpa", "keda"]
    min: int
    max: int
    metrics: tuple[ScalingMetric, ...]
    up: ScalingRule
    down: ScalingRule
    prometheus_url: str | None = None
    """Where KEDA asks; None with `via: hpa`."""


BalancingPolicy = Literal["round_robin", "power_of_two", "cache_aware"]


class RouterSpec(Spec):
    """What stands before the replicas of a version and picks one for each request."""

    image: str
    policy: BalancingPolicy
    replicas: int
    resources: Resources
    prestop_seconds: int
    longest_stream_seconds: int
    margin_seconds: int

    @property
    def grace_seconds(self) -> int:
        """Termination grace period: preStop, then the longest stream, then the margin."""
        return self.prestop_seconds + self.longest_stream_seconds + self.margin_seconds


class VersionSpec(Spec):
    """One version of a model: an engine with weights and flags on a pool, addressed by its own Service."""

    name: str
    """Kubernetes name of all its objects, see `naming.version_name`."""
    namespace: str
    model: str
    """The public model name."""
    version: str
    engine: EngineSpec
    pool: str
    resources: Resources
    replicas: int | None
    """Fixed count; None where `scaling` owns it."""
    scaling: ScalingSpec | None
    cache: CacheVolume
    shm_gib: int
    model_token: SecretKey | None
    startup_seconds: int
    """Budget from container start to ready: image is there, weights are not."""
    node_seconds: int
    """Budget before that: a node may have to join, the image to be pulled, an init container to run."""
    prestop_seconds: int
    margin_seconds: int
    """Added to preStop and drain to give the termination grace period."""
    surge: bool
    """Roll by adding a replica first (needs spare GPUs); else by taking one away first."""
    gateway_labels: dict[str, str]
    """Selector of the pods that may call the engine."""
    monitoring_namespace: str
    """Namespace whose pods may scrape metrics."""
    router: RouterSpec | None = None
    """None = its Service picks a replica at random for each request."""

    @property
    def grace_seconds(self) -> int:
        """Termination grace period: preStop, then drain, then the margin."""
        return self.prestop_seconds + self.engine.drain_seconds + self.margin_seconds

    @property
    def min_replicas(self) -> int:
        """The fewest replicas there are, whoever owns the count."""
        return self.scaling.min if self.scaling else self.replicas or 1

    @property
    def max_replicas(self) -> int:
        """The most replicas there may be, whoever owns the count."""
        return self.scaling.max if self.scaling else self.replicas or 1


class RecordingRule(Spec):
    """A query whose value is kept as a series of its own."""

    name: str
    query: str
    labels: dict[str, str]


class PrometheusSpec(Spec):
    """The stack's own Prometheus."""

    namespace: str
    image: str
    scrape_interval_seconds: int
    retention_hours: int
    storage_gib: int | None
    """Size of its volume; None = what it holds goes with the pod."""
    storage_class: str | None
    resources: Resources
    readers: tuple[str, ...]
    """Namespaces whose pods may ask it."""
    rules: tuple[RecordingRule, ...] = ()


class RedisSpec(Spec):
    """The stack's own Redis."""

    namespace: str
    image: str
    resources: Resources
    storage_gib: int
    storage_class: str | None
    gateway_labels: dict[str, str]
    """Selector of the pods that may call it."""


class NamespaceSpec(Spec):
    """The namespace everything is in, and how much all its pods together may ask for."""

    name: str
    cpu_millicores: int
    memory_mib: int
    gpus: int
    pods: int
    """Each with every autoscaler at its maximum and every Deployment rolling."""


Manifest = dict[str, Any]
"""A Kubernetes object in Kubernetes' own camelCase."""
