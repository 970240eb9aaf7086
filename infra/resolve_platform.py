"""From the stack file to the specs of what stands beside the models: Prometheus and Redis. Pure."""

from components import naming
from components.serving.scaling import SERIES, series_of
from components.spec import PrometheusSpec, RecordingRule, RedisSpec, Resources, VersionSpec
from infra.presets import presets
from infra.resolve import GATEWAY_NAME
from infra.stackfile.stack import StackSettings

KEDA_NAMESPACE = "keda"
"""Where KEDA's chart puts its operator (keda.sh, deploy)."""


def prometheus_spec(settings: StackSettings, versions: list[VersionSpec]) -> PrometheusSpec | None:
    """Return the stack's own Prometheus with a rule for each external metric; None if it has none."""
    own = settings.observability.prometheus
    if own is None:
        return None
    memory = round(own.memory_gib * 1024)
    return PrometheusSpec(
        namespace=settings.namespace,
        image=own.image or presets()["prometheus"]["image"],
        scrape_interval_seconds=own.scrape_interval_seconds,
        retention_hours=own.retention_hours,
        storage_gib=own.storage_gib,
        storage_class=settings.cluster.storage_class,
        resources=Resources(cpu_millicores=round(own.cpu * 1000), memory_mib=memory, memory_limit_mib=memory),
        readers=(settings.observability.monitoring_namespace, KEDA_NAMESPACE),
        rules=tuple(rule for version in versions for rule in _rules(version)),
    )


def redis_spec(settings: StackSettings) -> RedisSpec | None:
    """Return the stack's own Redis; None if it has none."""
    redis = settings.gateway.redis
    if redis is None or not redis.is_own:
        return None
    numbers = presets()["redis"]
    return RedisSpec(
        namespace=settings.namespace,
        image=redis.image or numbers["image"],
        resources=Resources(
            cpu_millicores=round(numbers["cpu"] * 1000),
            memory_mib=redis.memory_mib,
            memory_limit_mib=redis.memory_mib,
        ),
        storage_gib=redis.storage_gib,
        storage_class=settings.cluster.storage_class,
        gateway_labels=naming.selector("gateway", GATEWAY_NAME),
    )


def _rules(version: VersionSpec) -> list[RecordingRule]:
    """External metrics of a native autoscaler, under the labels by which it selects them."""
    if version.scaling is None or version.scaling.via != "hpa":
        return []
    labels = {"namespace": version.namespace, "workload": version.name}
    series = series_of(version.name, version.namespace)
    return [
        RecordingRule(name=metric.name, query=metric.query.replace(SERIES, series), labels=labels)
        for metric in version.scaling.metrics
        if metric.kind == "external" and metric.query
    ]
