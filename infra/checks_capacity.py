"""Rules about models on pools of an EKS cluster: do they fit at their maximum and survive spot. Pure."""

from collections.abc import Iterator

from infra import resolve
from infra.resolve_cluster import pool_capacity
from infra.stackfile.models import ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings
from planner.capacity import Workload, pool_needs
from planner.catalogue import catalogue
from planner.finding import Finding, error, warning


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
    """The pool must hold all models at their maximum; that one also rolls then is only advised."""
    pool = pool_capacity(pool_name, settings.pools[pool_name])
    path, need = f"pools.{pool_name}", pool_needs([pool], _workloads(settings))[pool_name]
    if need.nodes_max > pool.max_nodes:
        message = f"is {pool.max_nodes}, and models at their maximum need {need.nodes_max} nodes"
        yield error(f"{path}.max", message, f"make it {need.nodes_max}", id="pool-below-maximum")
    elif fixed and need.nodes_max > pool.min_nodes:
        message = f"is {pool.min_nodes} with cluster.autoscaler none, and models at their maximum need"
        yield error(f"{path}.min", f"{message} {need.nodes_max} nodes", f"make it {need.nodes_max}")
    elif need.nodes_surge > pool.max_nodes:
        message = (
            f"is {pool.max_nodes}; models at their maximum need {need.nodes_surge} nodes while one rolls"
        )
        yield warning(
            f"{path}.max",
            message,
            f"make it {need.nodes_surge}, or give versions `surge: false`",
            id="pool-without-surge",
        )


def _workloads(settings: StackSettings) -> list[Workload]:
    return [
        Workload(
            path=f"models.{name}.versions.{version_name}",
            model=name,
            pool=version.pool,
            gpus=resolve.engine_spec(settings, name, version).gpus,
            min_replicas=min(_bounds(model, version)),
            max_replicas=max(_bounds(model, version)),
            surge=1 if version.surge else 0,
        )
        for name, model in settings.models.items()
        if isinstance(model, ServedModelSettings)
        for version_name, version in model.versions.items()
    ]


def _bounds(model: ServedModelSettings, version: VersionSettings) -> tuple[int, int]:
    if model.scaling:
        return model.scaling.min, model.scaling.max
    return version.replicas or 1, version.replicas or 1


def _taints(settings: StackSettings, pool_name: str) -> Iterator[Finding]:
    """A taint that no pod of ours tolerates keeps them off."""
    used = {workload.pool for workload in _workloads(settings)} | {settings.gateway.pool}
    if settings.pools[pool_name].taints and pool_name in used:
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
