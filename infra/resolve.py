"""From the stack file to frozen specs: presets filled in, sizes derived from the pool's nodes. Pure."""

import math
from dataclasses import dataclass

from components import naming, prometheus_config, prometheus_manifests
from components.engines import default_version, engine_preset
from components.gateway.model import GatewaySpec
from components.serving.scaling import scaling_spec
from components.spec import (
    CacheVolume,
    EngineSpec,
    NamespaceSpec,
    Resources,
    ScalingSpec,
    SecretKey,
    VersionSpec,
)
from infra import estimates
from infra.presets import number, presets
from infra.resolve_charts import charts_prometheus_url, cluster_facts
from infra.resolve_router import router_spec
from infra.stackfile.models import ExternalModelSettings, ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.memory import MemoryRequest
from planner.start_time import StartEstimate

GATEWAY_NAME = "gateway"

_ENGINE_FIELDS = tuple(
    sorted(
        set(EngineSpec.model_fields) & set(VersionSettings.model_fields) - {"engine_version", "drain_seconds"}
    )
)


def engine_spec(settings: StackSettings, model_name: str, version: VersionSettings) -> EngineSpec:
    """Return what one replica runs: the version's own fields over its engine preset.

    Draining takes as long as the longest stream the gateway allows, unless the version says otherwise.
    """
    chosen = dict(engine_preset(version.engine, version.preset)) if version.preset else {}
    chosen |= {f: getattr(version, f) for f in _ENGINE_FIELDS if getattr(version, f) is not None}
    if version.drain_seconds is None:
        chosen["drain_seconds"] = number(settings, "gateway", settings.gateway, "longest_stream_seconds")
    else:
        chosen["drain_seconds"] = version.drain_seconds
    return EngineSpec(
        engine_version=version.engine_version or default_version(version.engine),
        served_name=model_name,
        **chosen,
    )


def version_resources(settings: StackSettings, version: VersionSettings) -> Resources:
    """What one pod asks for: as given, else the share of the node that goes with its GPUs."""
    node = catalogue()[settings.pools[version.pool].instance_type]
    gpus = engine_spec(settings, "", version).gpus
    share = presets()["node_share"]
    part = gpus / node.gpus if node.gpus else 1
    cpu = math.floor(node.allocatable_cpu_millicores * part * share["cpu"] / 100) * 100
    memory = math.floor(node.allocatable_memory_mib * part * share["memory"] / 256) * 256
    if version.cpu is not None:
        cpu = round(version.cpu * 1000)
    if version.memory_gib is not None:
        memory = round(version.memory_gib * 1024)
    return Resources(cpu_millicores=cpu, memory_mib=memory, memory_limit_mib=memory, gpus=gpus)


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A version's spec, and what the planner was asked and said about its start while it was made."""

    spec: VersionSpec
    request: MemoryRequest | None
    """None on a pool without GPUs."""
    start: StartEstimate | None
    """None where the size of the weights is not known."""


def version_specs(settings: StackSettings) -> list[VersionSpec]:
    """Specs of all versions of all models, in the order of the stack file."""
    return [resolved.spec for resolved in resolved_versions(settings)]


def resolved_versions(settings: StackSettings) -> list[Resolved]:
    """As `version_specs`, with what was asked on the way."""
    return [
        _resolved(settings, model_name, model, name, version)
        for model_name, model in settings.models.items()
        if isinstance(model, ServedModelSettings)
        for name, version in model.versions.items()
    ]


def namespace_spec(
    settings: StackSettings, versions: list[VersionSpec], gateway: GatewaySpec, *beside: Resources
) -> NamespaceSpec:
    """The namespace, large enough for every workload at its maximum while all of them roll.

    A rolled pod that still drains counts like its successor: twice the maximum. `beside` are single pods of
    ours, such as Redis.
    """
    demands = [(v.resources, v.max_replicas) for v in versions]
    demands += [(v.router.resources, v.router.replicas) for v in versions if v.router]
    demands += [(gateway.pod_resources, gateway.scaling.max), *((need, 1) for need in beside)]
    return NamespaceSpec(
        name=settings.namespace,
        cpu_millicores=sum(2 * count * need.cpu_millicores for need, count in demands),
        memory_mib=sum(2 * count * need.memory_limit_mib for need, count in demands),
        gpus=sum(2 * count * need.gpus for need, count in demands),
        pods=sum(2 * count for _, count in demands),
    )


def traffic(model: ServedModelSettings) -> dict[str, int]:
    """Percent per version; all to the only version where nothing is said."""
    return dict(model.traffic) if model.traffic is not None else dict.fromkeys(model.versions, 100)


def longest_context(model: ServedModelSettings | ExternalModelSettings) -> int | None:
    """Tokens that every version with traffic takes; None where one does not say."""
    if isinstance(model, ExternalModelSettings):
        return model.max_model_len
    lengths = [v.max_model_len for name, v in model.versions.items() if traffic(model).get(name)]
    known = [length for length in lengths if length is not None]
    return min(known) if known and len(known) == len(lengths) else None


def scaling_of(settings: StackSettings, model: ServedModelSettings, engine: EngineSpec) -> ScalingSpec | None:
    """The autoscaler of one version.

    Raises ValueError where the preset cannot follow this engine or a target is unknown to it.
    """
    if model.scaling is None:
        return None
    scaling = model.scaling
    objectives = model.objectives
    return scaling_spec(
        preset=scaling.preset or presets()[settings.preset]["scaling"]["preset"],
        engine=engine,
        min_replicas=scaling.min,
        max_replicas=scaling.max,
        via=scaling.via,
        targets=scaling.target,
        ttft_seconds=objectives.ttft_p95_seconds if objectives else None,
        tpot_seconds=objectives.tpot_p95_seconds if objectives else None,
        prometheus_url=prometheus_url(settings),
    )


def prometheus_url(settings: StackSettings) -> str | None:
    """Where series of this stack are asked for: as said, else our own Prometheus, else the chart's."""
    said, own = settings.observability.prometheus_url, settings.observability.prometheus
    if said is None and own is not None:
        return f"http://{prometheus_manifests.NAME}.{settings.namespace}.svc:{prometheus_config.PORT}"
    return said or charts_prometheus_url(settings, cluster_facts(settings))


def _resolved(
    settings: StackSettings, model_name: str, model: ServedModelSettings, name: str, version: VersionSettings
) -> Resolved:
    engine = engine_spec(settings, model_name, version)
    request = estimates.memory_request(settings, version, engine)
    start = estimates.start(settings, version, engine, request)
    patient = start if settings.preset == "current" else None  # the source documents' numbers stay theirs
    scaling = _patient(scaling_of(settings, model, engine), patient)
    shm_gib = version.shm_gib
    if shm_gib is None:
        shm_gib = presets()["shm_gib"]["one_gpu" if engine.gpus == 1 else "more_gpus"]
    spec = VersionSpec(
        name=naming.version_name(model_name, name),
        namespace=settings.namespace,
        model=model_name,
        version=name,
        engine=engine,
        pool=version.pool,
        resources=version_resources(settings, version),
        replicas=(version.replicas or 1) if scaling is None else None,
        scaling=scaling,
        cache=CacheVolume(
            kind=version.cache.kind,
            size_gib=version.cache.size_gib,
            storage_class=settings.cluster.storage_class,
            host_path=version.cache.host_path,
        ),
        shm_gib=shm_gib,
        model_token=token_secret(version.model_token) if version.model_token else None,
        startup_seconds=version.startup_seconds
        or estimates.startup_seconds(presets()[settings.preset]["version"]["startup_seconds"], patient),
        node_seconds=estimates.node_seconds(presets()["estimates"]["node_seconds"], start),
        prestop_seconds=number(settings, "version", version, "prestop_seconds"),
        margin_seconds=presets()[settings.preset]["version"]["margin_seconds"],
        surge=version.surge,
        gateway_labels=naming.selector("gateway", GATEWAY_NAME),
        monitoring_namespace=settings.observability.monitoring_namespace,
        router=router_spec(settings, model, version),
    )
    return Resolved(spec=spec, request=request, start=start)


def _patient(scaling: ScalingSpec | None, start: StartEstimate | None) -> ScalingSpec | None:
    """The same autoscaler, slow to take away what is slow to bring back."""
    if scaling is None:
        return None
    seconds = estimates.stabilisation_seconds(scaling.down.stabilization_seconds, start)
    down = scaling.down.model_copy(update={"stabilization_seconds": seconds})
    return scaling.model_copy(update={"down": down})


def token_secret(config_key: str) -> SecretKey:
    """Where the model token of this config key lives in the cluster."""
    return SecretKey(name=f"model-token-{config_key.replace('_', '-')}", key="token")
