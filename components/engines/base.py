"""Base of every engine adapter: a container that Kubernetes can run, and findings about settings."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from components.engines.table import Release
from components.spec import EngineName, EngineSpec, FlagValue, Spec
from planner.finding import Finding

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - inside a pod; the NetworkPolicy says who may connect
CACHE_PATH = "/cache"
"""Where the cache volume is mounted: weights and compiled kernels."""
TEMP_PATH = "/tmp"  # noqa: S108 - an emptyDir of the pod's own
"""Always a writable volume."""
HUGGING_FACE_ENV: Mapping[str, str] = {
    "HF_HOME": f"{CACHE_PATH}/huggingface",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
HUGGING_FACE_ACCESS = "HF_TOKEN"
"""Variable that gives access to gated weights."""


class Probe(Spec):
    """How a container is asked how it is: an HTTP path on the port `http`, or a command."""

    path: str | None = None
    command: tuple[str, ...] | None = None
    timeout_seconds: int = 1
    """KServe's value for /health (peers.md §4)."""


class EngineMetrics(Spec):
    """Prometheus names of what releases and autoscalers follow, as the engine spells them.

    None = the engine has no such metric.
    """

    waiting: str | None = None
    """Gauge: requests not yet worked on."""
    running: str | None = None
    """Gauge: requests worked on."""
    kv_usage: str | None = None
    """Gauge: share of the KV cache in use, 0-1."""
    ttft_histogram: str | None = None
    """Histogram without `_bucket`: seconds to the first token."""
    tpot_histogram: str | None = None
    """Histogram without `_bucket`: seconds per output token."""
    prompt_histogram: str | None = None
    """Histogram without `_bucket`: tokens of a prompt."""
    success: str | None = None
    """Counter of finished requests."""


class EngineContainer(Spec):
    """One engine container, before names, resources and volumes of a version are added."""

    image: str
    command: tuple[str, ...] | None = None
    """None = the image's entrypoint."""
    args: tuple[str, ...] = ()
    env: dict[str, str]
    port: int
    """Of the port named `http`."""
    startup: Probe
    readiness: Probe
    liveness: Probe
    metrics_path: str | None
    token_env: str | None
    """Variable the token for gated weights goes to; None = the engine takes none."""
    drains: bool = True
    """Whether requests may finish after SIGTERM; if not, the pod waits for them before it."""
    needs_shm: bool
    """Whether GPUs of one replica talk through /dev/shm."""
    init_command: tuple[str, ...] | None = None
    """Command of an init container of the same image, with the same environment and cache."""
    config_files: dict[str, str] = Field(default_factory=dict)
    """Absolute path -> text, mounted read-only; all in one folder."""
    user_id: int
    group_id: int
    read_only_root: bool
    """Whether all known writes go to the cache and the temporary folder."""


class Adapter(ABC):
    """One engine: how an EngineSpec becomes a container, and what is wrong with it."""

    engine: ClassVar[EngineName]
    metrics: ClassVar[EngineMetrics]
    fields: ClassVar[Mapping[str, str]]
    """EngineSpec field -> flag or variable it becomes as it is. What stands nowhere is not supported."""
    special_fields: ClassVar[Mapping[str, str]] = {}
    """As `fields`, for those that need more than copying; `container` writes them."""
    fixed: ClassVar[frozenset[str]]
    """Flags and variables llmserve sets itself."""
    env_prefix: ClassVar[str | None] = None
    """Set where the engine takes no flags: its table then names variables that begin like this."""

    @abstractmethod
    def container(self, spec: EngineSpec) -> EngineContainer:
        """Render the container.

        Raises ValueError for an engine version without flag table; ask `findings` first.
        """

    def api_model(self, spec: EngineSpec) -> str:
        """The model name the engine answers to."""
        return spec.served_name

    def own_findings(self, spec: EngineSpec, path: str) -> list[Finding]:
        """Findings only this engine has."""
        del spec, path
        return []

    def copied_fields(self, spec: EngineSpec) -> dict[str, FlagValue | tuple[str, ...]]:
        """The `fields` that are set, by flag; degrees of parallelism only above 1."""
        values = {flag: getattr(spec, field) for field, flag in self.fields.items()}
        alone = {self.fields.get("tensor_parallel"), self.fields.get("pipeline_parallel")}
        return {f: v for f, v in values.items() if v is not None and not (f in alone and v == 1)}


def image(spec: EngineSpec, known: Release) -> str:
    """The image asked for, else the official one of the release."""
    return spec.image if spec.image is not None else known.image
