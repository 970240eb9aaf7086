"""What the stack's outputs say about models. Pure."""

from typing import Any

from components.spec import VersionSpec
from infra.resolve import traffic
from infra.stackfile.models import ExternalModelSettings
from infra.stackfile.stack import StackSettings


def models_summary(settings: StackSettings, versions: list[VersionSpec]) -> dict[str, Any]:
    """Model -> version -> engine, pool, percent of requests, Service and replica bounds."""
    specs = {(spec.model, spec.version): spec for spec in versions}
    summary: dict[str, Any] = {}
    for name, model in settings.models.items():
        if isinstance(model, ExternalModelSettings):
            summary[name] = {model.provider: {"engine": model.provider, "weight_percent": 100}}
            continue
        weights = traffic(model)
        summary[name] = {
            version: _version(specs[name, version], weights.get(version, 0)) for version in model.versions
        }
    return summary


def _version(spec: VersionSpec, weight_percent: int) -> dict[str, Any]:
    return {
        "engine": spec.engine.engine,
        "pool": spec.pool,
        "weight_percent": weight_percent,
        "service": f"{spec.name}.{spec.namespace}",
        "replicas": {"min": spec.min_replicas, "max": spec.max_replicas},
    }
