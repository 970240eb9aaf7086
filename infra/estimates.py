"""What the planner is asked about one version: its memory and its start. Pure."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from components.engines import adapter
from components.spec import EngineSpec
from infra.resolve_cluster import pool_parts
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import VersionSettings
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.launch_figures import start_of
from planner.memory import MemoryRequest, launch_request
from planner.model_config import checked_model
from planner.models import ModelFacts
from planner.start_budget import advised_startup_seconds
from planner.start_time import Source, StartEstimate

_MEMORY_FIELDS = (
    "tensor_parallel",
    "pipeline_parallel",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "dtype",
    "kv_cache_dtype",
    "prefix_caching",
    "chunked_prefill",
)
"""Fields of EngineSpec that decide on memory; MemoryRequest calls them the same."""
_MOST_STABILISATION_SECONDS = 3600
"""What Kubernetes allows (autoscaling/v2, HPAScalingRules)."""


def model_facts(version: VersionSettings) -> ModelFacts | None:
    """Architecture of the version's own config.json; None where it gives none, or only a path not yet read.

    Raises ValueError where it is not the config.json of a language model.
    """
    if not isinstance(version.config_json, Mapping):
        return None
    return checked_model(version.config_json, version.model)


def memory_request(
    settings: StackSettings, version: VersionSettings, engine: EngineSpec
) -> MemoryRequest | None:
    """What one replica asks of its GPUs; None on a pool without GPUs."""
    known: dict[str, Any] = {
        "engine": engine.engine,
        "engine_version": engine.engine_version,
        "model": engine.model,
        "instance": catalogue()[settings.pools[version.pool].instance_type],
        "facts": model_facts(version),
        "quantization": engine.quantization,
        "weights_gib": version.weights_gib,
        **{field: getattr(engine, field) for field in _MEMORY_FIELDS},
    }
    try:
        return launch_request(**known, flags=engine.flags)
    except ValueError:  # a flag's value that only the engine understands
        return launch_request(**known, unmodelled=("a value among flags",))


def start(
    settings: StackSettings, version: VersionSettings, engine: EngineSpec, request: MemoryRequest | None
) -> StartEstimate | None:
    """How long a first start on a new node takes; None where the size of the weights is not known."""
    if request is None:
        return None
    pool = settings.pools[version.pool]
    node = catalogue()[pool.instance_type]
    ours = isinstance(settings.cluster, EksClusterSettings)  # else how nodes are set up is not known
    return start_of(
        request,
        node,
        source=_source(version),
        streamer=version.model.startswith("s3://") and version.engine == "vllm",
        disk="nvme" if ours and node.nvme_gb else "ebs",
        ebs_mib_per_second=pool_parts("", pool).disk_mib_per_second if ours else None,
        fast_image_pull=ours and node.gpus > 0,
        download_in_init=adapter(engine.engine).container(engine).init_command is not None,
    )


def startup_seconds(preset_seconds: int, found: StartEstimate | None) -> int:
    """Start budget of a version that gives none: the preset's, or more where a slow start takes longer."""
    return preset_seconds if found is None else max(preset_seconds, advised_startup_seconds(found))


def node_seconds(preset_seconds: int, found: StartEstimate | None) -> int:
    """Budget before the container starts: the slowest node, image and init container, in whole minutes."""
    if found is None:
        return preset_seconds
    return ceil((found.new_node_seconds.high - found.container_seconds.high) / 60) * 60


def stabilisation_seconds(preset_seconds: int, found: StartEstimate | None) -> int:
    """Calm before a pod is taken away: no shorter than it likely takes to bring it back, in whole minutes."""
    if found is None:
        return preset_seconds
    likely = ceil(found.new_node_seconds.likely / 60) * 60
    return min(_MOST_STABILISATION_SECONDS, max(preset_seconds, likely))


def _source(version: VersionSettings) -> Source:
    """Where a first start has the weights from: a volume that all pods share is empty at the very first."""
    return "s3" if version.model.startswith("s3://") else "hub"
