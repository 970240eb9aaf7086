"""Rules about models on pools of an EKS cluster: do they fit at their maximum and survive spot. Pure."""

from collections.abc import Iterator

from infra import resolve
from infra.resolve_cluster import pool_size
from infra.stackfile.models import ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.finding import Finding, error, warning
from planner.pools import PodDemand, nodes_needed


def check_capacity(settings: StackSettings, *, fixed: bool) -> Iterator[Finding]:
    """Findings about every pool's maximum, then about every model on spot nodes.

    `fixed`: nobody adds nodes, so that pools stay at their minimum.
    """
    for name, pool in settings.pools.items():
        if pool.instance_type in catalogue():
            yield from _maximum(settings, name, fixed=fixed)
            yield from _taints(settings, name)
    for name, model in settings.models.items():
        if isinstance(model, ServedModelSettings):
            yield from _spot(settings, name, model)


def _maximum(settings: StackSettings, pool_name: str, *, fixed: bool) -> Iterator[Finding]:
    """The pool must hold all models at their maximum; that they also roll then is only advised."""
    size = pool_size(pool_name, settings.pools[pool_name])
    path, node = f"pools.{pool_name}.max", catalogue()[size.instance_type]
    least = nodes_needed(_demands(settings, pool_name, surge=False), node)
    rolling = nodes_needed(_demands(settings, pool_name, surge=True), node)
    if least is not None and least > size.max:
        yield error(
            path, f"is {size.max}, and models at their maximum need {least} nodes", f"make it {least}"
        )
    elif least is not None and fixed and least > size.min:
        message = (
            f"is {size.min} with cluster.autoscaler none, and models at their maximum need {least} nodes"
        )
        yield error(f"pools.{pool_name}.min", message, f"make it {least}")
    elif rolling is not None and rolling > size.max:
        yield warning(
            path,
            f"is {size.max}; models at their maximum need {rolling} nodes while all of them roll",
            f"make it {rolling}, or give versions `surge: false`",
        )


def _demands(settings: StackSettings, pool_name: str, *, surge: bool) -> list[PodDemand]:
    demands = []
    served = (model for model in settings.models.values() if isinstance(model, ServedModelSettings))
    for model in served:
        for version in model.versions.values():
            if version.pool == pool_name:
                most = model.scaling.max if model.scaling else version.replicas or 1
                demands.append(_demand(settings, version, most + (surge and version.surge)))
    gateway = settings.gateway
    if gateway.pool == pool_name:
        demands.append(
            PodDemand(
                count=gateway.replicas.max + surge,
                gpus=0,
                cpu_millicores=round(gateway.cpu * 1000),
                memory_mib=round(gateway.memory_gib * 1024),
            )
        )
    return demands


def _demand(settings: StackSettings, version: VersionSettings, count: int) -> PodDemand:
    need = resolve.version_resources(settings, version)
    return PodDemand(
        count=count, gpus=need.gpus, cpu_millicores=need.cpu_millicores, memory_mib=need.memory_mib
    )


def _taints(settings: StackSettings, pool_name: str) -> Iterator[Finding]:
    """A taint that no pod of ours tolerates keeps them off."""
    if settings.pools[pool_name].taints and _demands(settings, pool_name, surge=False):
        path = f"pools.{pool_name}.taints"
        yield error(path, "keep off the models and the gateway that are to run there", "remove them")


def _spot(settings: StackSettings, name: str, model: ServedModelSettings) -> Iterator[Finding]:
    """Spot nodes may go at two minutes' notice: something must answer meanwhile."""
    weights = resolve.traffic(model)
    serving = {v: version for v, version in model.versions.items() if weights.get(v)}
    on_spot = {v: version for v, version in serving.items() if _is_spot(settings, version)}
    if not on_spot or len(on_spot) < len(serving) or _elsewhere(settings, model):
        return
    least = sum(model.scaling.min if model.scaling else version.replicas or 1 for version in serving.values())
    first = next(iter(on_spot))
    path = f"models.{name}.versions.{first}.pool"
    if least < 2:
        message = f"is spot, and {name} has one replica and nothing to fall back on"
        yield error(path, message, "use an on-demand pool, more replicas, or fallbacks")
    elif settings.environment == "production":
        message = f"is spot, and nothing of {name} runs on demand behind it"
        yield error(path, message, "add an on-demand version with traffic, or fallbacks")


def _elsewhere(settings: StackSettings, model: ServedModelSettings) -> bool:
    """Whether a fallback of the model answers from elsewhere than spot nodes."""
    for name in model.fallbacks:
        other = settings.models.get(name)
        if other is not None and not isinstance(other, ServedModelSettings):
            return True
        if other is not None and any(not _is_spot(settings, v) for v in other.versions.values()):
            return True
    return False


def _is_spot(settings: StackSettings, version: VersionSettings) -> bool:
    pool = settings.pools.get(version.pool)
    return pool is not None and pool.capacity == "spot"
