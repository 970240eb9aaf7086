"""Pools and what runs on them, as the planner's sums of capacity, quotas and cost take them. Pure."""

from collections.abc import Sequence

from components.gateway.model import GatewaySpec
from components.spec import VersionSpec
from infra.plan_versions import VersionPlan
from infra.resolve import traffic
from infra.resolve_cluster import pool_capacity
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.capacity import PoolCapacity, Workload
from planner.catalogue import catalogue
from planner.gateway_load import AnsweredLoad, GatewayCores


def pool_capacities(settings: StackSettings) -> list[PoolCapacity]:
    """Every pool of a known instance type."""
    cluster = settings.cluster
    fixed = isinstance(cluster, EksClusterSettings) and cluster.autoscaler == "none"
    return [
        pool_capacity(name, pool).model_copy(update={"grows": not fixed})
        for name, pool in settings.pools.items()
        if pool.instance_type in catalogue()
    ]


def answered_loads(settings: StackSettings, versions: Sequence[VersionPlan]) -> list[AnsweredLoad]:
    """What versions with traffic answer when busy, as estimated; those of unknown speed are left out."""
    loads = []
    for plan in versions:
        spec, model = plan.spec, settings.models[plan.spec.model]
        if plan.speed is None or not (
            isinstance(model, ServedModelSettings) and traffic(model).get(spec.version)
        ):
            continue
        interval = spec.engine.flags.get("stream-interval", 1)
        loads.append(
            AnsweredLoad(
                min_replicas=spec.min_replicas,
                max_replicas=spec.max_replicas,
                requests_per_second=plan.speed.requests_per_second.likely,
                tokens_per_second=plan.speed.output_tokens_per_second.likely,
                tokens_per_chunk=interval if isinstance(interval, int) and interval > 0 else 1,
            )
        )
    return loads


def gateway_cores(gateway: GatewaySpec) -> GatewayCores:
    """The gateway as the planner counts it."""
    return GatewayCores(max_replicas=gateway.scaling.max, cores=gateway.resources.cpu_millicores / 1000)


def workloads(versions: Sequence[VersionSpec], gateway: GatewaySpec) -> list[Workload]:
    """Every version, and the gateway where it is held to a pool."""
    found = [
        Workload(
            path=f"models.{spec.model}.versions.{spec.version}",
            model=spec.model,
            pool=spec.pool,
            gpus=spec.resources.gpus,
            cpu_millicores=spec.resources.cpu_millicores,
            memory_mib=spec.resources.memory_mib,
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            surge=1 if spec.surge else 0,
        )
        for spec in versions
    ]
    if gateway.pool is not None:
        need = gateway.pod_resources
        found.append(
            Workload(
                path="gateway",
                model=gateway.name,
                pool=gateway.pool,
                cpu_millicores=need.cpu_millicores,
                memory_mib=need.memory_mib,
                min_replicas=gateway.scaling.min,
                max_replicas=gateway.scaling.max,
            )
        )
    return found
