"""Rules that reach across settings: names that must exist, sums, orders, cycles. Pure.

Each rule yields findings and never raises, also on a file whose broken parts were taken out: what a name may
point to is therefore asked of the raw file (`Declared`), not of the parts that were left.
"""

from collections.abc import Iterator
from datetime import date

from components import naming
from components.images import image_findings
from infra import resolve
from infra.checks_cluster import check_cluster
from infra.checks_gateway import check_gateway
from infra.checks_models import check_models
from infra.checks_platform import check_platform
from infra.checks_pools import check_pools, existing_pools
from infra.checks_releases import check_releases
from infra.declared import Declared
from infra.resolve_charts import cluster_facts
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.finding import Finding, error, nearest


def check(settings: StackSettings, declared: Declared, today: date) -> list[Finding]:
    """All findings of the rules below, in the order of the file; `today` decides on support of versions."""
    rules = (
        _empty(declared, settings),
        _names(settings),
        _cluster(settings, declared, today),
        _pools(settings),
        check_models(settings, declared),
        check_releases(settings),
        check_gateway(settings, declared),
        check_platform(settings, cluster_facts(settings)),
        _own_programs(settings),
    )
    return [finding for rule in rules for finding in rule]


def _empty(declared: Declared, settings: StackSettings) -> Iterator[Finding]:
    for path, names in (("pools", declared.pools), ("models", declared.models)):
        if not names:
            yield error(path, "is empty", "declare at least one")
    for name, versions in declared.versions.items():
        if not versions and isinstance(settings.models.get(name), ServedModelSettings):
            yield error(f"models.{name}.versions", "is empty", "declare at least one")


def _names(settings: StackSettings) -> Iterator[Finding]:
    rule = "use lower-case letters, digits and dashes, starting with a letter"
    named = [(f"pools.{n}", n) for n in settings.pools] + [(f"tenants.{n}", n) for n in settings.tenants]
    named += [("namespace", settings.namespace)] + [(f"models.{n}", n) for n in settings.models]
    yield from (
        error(path, f"{name!r} cannot be a Kubernetes name", rule)
        for path, name in named
        if not naming.is_name(name)
    )
    for path, model, version in _versions(settings):
        name = naming.version_name(model, version)
        if naming.is_name(model) and not naming.is_name(name) and len(name) <= naming.MAX_NAME_LENGTH:
            yield error(path, f"{version!r} cannot be a Kubernetes name", rule)
        if len(name) > naming.MAX_WORKLOAD_NAME_LENGTH:
            yield error(
                path,
                f"the name {name} has {len(name)} characters",
                f"model and version together may have {naming.MAX_WORKLOAD_NAME_LENGTH - 1}",
            )
    if resolve.GATEWAY_NAME in settings.models:
        yield error(f"models.{resolve.GATEWAY_NAME}", "is the gateway's own name", "choose another name")


def _cluster(settings: StackSettings, declared: Declared, today: date) -> Iterator[Finding]:
    cluster = settings.cluster
    if isinstance(cluster, EksClusterSettings):
        yield from check_cluster(settings, cluster, today)
        yield from check_pools(settings, cluster)
    elif declared.cluster_kind == "existing":  # of a broken EKS cluster nothing is left to check
        yield from existing_pools(settings)
        if settings.secrets.source != "config":
            message = f"is {settings.secrets.source}, which needs an AWS account to look in"
            yield error("secrets.source", message, "use config, or cluster.kind eks")


def _pools(settings: StackSettings) -> Iterator[Finding]:
    for name, pool in settings.pools.items():
        path = f"pools.{name}"
        if pool.instance_type not in catalogue():
            close = nearest(pool.instance_type, catalogue())
            yield error(f"{path}.instance_type", f"{pool.instance_type!r} is not in the catalogue", close)
        if pool.min > pool.max:
            yield error(f"{path}.min", f"is {pool.min}, more than max {pool.max}", "lower min or raise max")


def _own_programs(settings: StackSettings) -> Iterator[Finding]:
    """What runs beside the models: our own Redis and Prometheus."""
    redis, watch = settings.gateway.redis, settings.observability
    if redis and redis.is_own:
        yield from image_findings(redis.image, "gateway.redis.image")
        if not redis.password:
            yield error(
                "gateway.redis.password",
                "is missing, and our own Redis lets nobody in without one",
                "name a secret config key, as in redis_password",
            )
    if watch.prometheus:
        yield from image_findings(watch.prometheus.image, "observability.prometheus.image")
        if watch.prometheus_url:
            yield error(
                "observability.prometheus_url",
                "is given, and observability.prometheus makes one of our own",
                "keep one of them",
            )


def _versions(settings: StackSettings) -> Iterator[tuple[str, str, str]]:
    for model_name, model in settings.models.items():
        if isinstance(model, ServedModelSettings):
            for version in model.versions:
                yield f"models.{model_name}.versions.{version}", model_name, version
