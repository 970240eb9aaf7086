"""What the production checklist asks about a stack, from its settings and specs. Pure."""

from collections.abc import Sequence

from components.engines import adapter
from components.gateway.model import GatewaySpec, IngressSpec
from components.spec import VersionSpec
from infra.resolve import traffic
from infra.resolve_charts import cluster_facts, has_alerts, has_dashboard, platform_spec
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ExternalModelSettings, ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.checklist.facts import ExternalFacts, ModelFacts, StackFacts, TenantFacts, VersionFacts

_EVERYWHERE = "0.0.0.0/0"


def stack_facts(
    settings: StackSettings,
    versions: Sequence[VersionSpec],
    gateway: GatewaySpec,
    ingress: IngressSpec | None,
) -> StackFacts:
    """Fill in what the checklist asks; None where it is decided elsewhere."""
    served = {n: m for n, m in settings.models.items() if isinstance(m, ServedModelSettings)}
    cluster = settings.cluster if isinstance(settings.cluster, EksClusterSettings) else None
    return StackFacts(
        environment=settings.environment,
        versions=tuple(_version(settings, spec, served[spec.model]) for spec in versions),
        models=tuple(_model(settings, name, model, versions) for name, model in served.items()),
        externals=tuple(
            _external(name, model)
            for name, model in settings.models.items()
            if isinstance(model, ExternalModelSettings)
        ),
        tenants=tuple(
            TenantFacts(
                name=tenant.name,
                path=f"tenants.{tenant.name}",
                limits_requests=tenant.requests_per_minute is not None,
                limits_tokens=tenant.tokens_per_minute is not None,
                limits_parallel=tenant.parallel_requests is not None,
            )
            for tenant in gateway.model.tenants
        ),
        gateway_min_replicas=gateway.scaling.min,
        gateway_image_by_digest="@sha256:" in gateway.image,
        ingress="none" if ingress is None else "internal" if ingress.internal else "public",
        content_filter=gateway.model.content_filter is not None,
        cors_any_origin="*" in gateway.cors_origins,
        logs_prompts=gateway.model.log.prompts,
        audit_log=gateway.model.log.requests,
        zones=len(set(cluster.availability_zones)) if cluster else None,
        endpoint_open_to_all=_EVERYWHERE in cluster.public_access_cidrs if cluster else None,
        secrets_encrypted=True if cluster else None,  # a cluster of ours always has a key of its own
        control_plane_logs="audit" in cluster.log_types if cluster else None,
        deletion_protected=cluster.deletion_protection if cluster else None,
        data_protected=cluster.protect_data if cluster else None,
        **_watching(settings, ours=cluster is not None),
    )


def _watching(settings: StackSettings, *, ours: bool) -> dict[str, bool | None]:
    """Who collects, shows and alerts; on a cluster that is not ours somebody else may."""
    facts = cluster_facts(settings)
    here = {
        "metrics_collected": platform_spec(settings, facts).monitors
        or settings.observability.prometheus is not None
        or settings.observability.prometheus_url is not None,
        "alerts": has_alerts(settings, facts),
        "dashboards": has_dashboard(settings, facts),
    }
    return {name: value if ours or value else None for name, value in here.items()}


def _version(settings: StackSettings, spec: VersionSpec, model: ServedModelSettings) -> VersionFacts:
    engine, flags, given = spec.engine, spec.engine.flags, model.versions[spec.version]
    container = adapter(engine.engine).container(engine)
    hub = not engine.model.startswith("s3://")
    return VersionFacts(
        model=spec.model,
        path=f"models.{spec.model}.versions.{spec.version}",
        engine=engine.engine,
        has_traffic=bool(traffic(model).get(spec.version)),
        min_replicas=spec.min_replicas,
        capacity=settings.pools[spec.pool].capacity,
        revision_pinned=engine.revision is not None if hub and engine.engine != "ollama" else None,
        image_by_digest="@sha256:" in container.image,
        image_given=given.image is not None,
        max_model_len_given=engine.max_model_len is not None,
        max_num_seqs_given=engine.max_num_seqs is not None,
        queue_bounded="max-num-queued-reqs" in flags if engine.engine == "vllm" else None,
        prefix_caching=engine.prefix_caching,
        weights_source="hub" if hub else "s3",
        weights_kept=spec.cache.kind != "empty_dir",
        host_cache=spec.cache.host_path if spec.cache.kind == "host_path" else None,
        trusts_remote_code=bool(flags.get("trust-remote-code")),
        has_metrics=container.metrics_path is not None,
        throughput_measured=given.measured is not None,
    )


def _model(
    settings: StackSettings, name: str, model: ServedModelSettings, versions: Sequence[VersionSpec]
) -> ModelFacts:
    scalings = [spec.scaling for spec in versions if spec.model == name and spec.scaling]
    kinds = {metric.kind for scaling in scalings for metric in scaling.metrics}
    return ModelFacts(
        name=name,
        path=f"models.{name}",
        autoscaled=bool(scalings),
        follows_cpu_only=kinds == {"cpu_percent"},
        needs_metrics_adapter=any(s.via == "hpa" for s in scalings) and not kinds <= {"cpu_percent"},
        has_fallback=bool(model.fallbacks),
        has_fallback_off_spot=any(_stays(settings, other) for other in model.fallbacks),
        has_objectives=model.objectives is not None,
    )


def _stays(settings: StackSettings, name: str) -> bool:
    """Whether a model answers from elsewhere than spot nodes."""
    model = settings.models.get(name)
    if not isinstance(model, ServedModelSettings):
        return model is not None
    return any(settings.pools[version.pool].capacity != "spot" for version in model.versions.values())


def _external(name: str, model: ExternalModelSettings) -> ExternalFacts:
    address = model.base_url or ""
    return ExternalFacts(
        name=name,
        path=f"models.{name}",
        has_budget=model.daily_budget_usd is not None,
        plain_http=address.startswith("http://") and ".svc" not in address,
    )
