"""The checklist of the stack files here: the facts can be filled from settings, and what they lead to.

`stack_facts` below is the mapping whose signature planner/checklist/facts.py names; it is to move to infra.
"""

from collections.abc import Sequence

import pytest

from components.engines import adapter
from components.gateway.model import GatewaySpec, IngressSpec
from components.spec import VersionSpec
from infra.checking import check_settings
from infra.resolve import traffic, version_specs
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stackfile.models import ExternalModelSettings, ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings
from planner.checklist import checklist
from planner.checklist.facts import ExternalFacts, ModelFacts, StackFacts, TenantFacts, VersionFacts
from planner.rules import Environment
from tests.snapshot import assert_snapshot
from tests.stack_files import STACKS, stack_config


def stack_facts(
    settings: StackSettings,
    versions: Sequence[VersionSpec],
    gateway: GatewaySpec,
    ingress: IngressSpec | None,
    environment: Environment,
) -> StackFacts:
    """What the checklist asks about a stack, from its settings and specs."""
    served = {n: m for n, m in settings.models.items() if isinstance(m, ServedModelSettings)}
    outside = {n: m for n, m in settings.models.items() if isinstance(m, ExternalModelSettings)}
    return StackFacts(
        environment=environment,
        versions=tuple(
            _version(spec, served[spec.model].versions[spec.version], served[spec.model]) for spec in versions
        ),
        models=tuple(_model(name, model, versions) for name, model in served.items()),
        externals=tuple(
            ExternalFacts(
                name=name,
                path=f"models.{name}",
                has_budget=model.daily_budget_usd is not None,
                plain_http=(model.base_url or "").startswith("http://")
                and ".svc" not in (model.base_url or ""),
            )
            for name, model in outside.items()
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
    )


def _version(spec: VersionSpec, given: VersionSettings, model: ServedModelSettings) -> VersionFacts:
    engine, flags = spec.engine, spec.engine.flags
    container = adapter(engine.engine).container(engine)
    hub = not engine.model.startswith("s3://")
    return VersionFacts(
        model=spec.model,
        path=f"models.{spec.model}.versions.{spec.version}",
        engine=engine.engine,
        has_traffic=bool(traffic(model).get(spec.version)),
        min_replicas=spec.scaling.min if spec.scaling else spec.replicas or 1,
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
    )


def _model(name: str, model: ServedModelSettings, versions: Sequence[VersionSpec]) -> ModelFacts:
    scalings = [spec.scaling for spec in versions if spec.model == name and spec.scaling]
    kinds = {metric.kind for scaling in scalings for metric in scaling.metrics}
    return ModelFacts(
        name=name,
        path=f"models.{name}",
        autoscaled=bool(scalings),
        follows_cpu_only=kinds == {"cpu_percent"},
        needs_metrics_adapter=any(s.via == "hpa" for s in scalings) and kinds != {"cpu_percent"},
        has_fallback=bool(model.fallbacks),
        has_objectives=model.objectives is not None,
    )


def facts(stack: str, environment: Environment) -> StackFacts:
    settings, _ = check_settings(stack_config(stack))
    assert settings is not None
    return stack_facts(
        settings, version_specs(settings), gateway_spec(settings), ingress_spec(settings), environment
    )


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", ["development", "production"])
def test_the_checklist_of_a_stack_file_reads_like_this(stack: str, environment: Environment) -> None:
    lines = [f"{f.severity:7} {f.id}: {f}" for f in checklist(facts(stack, environment))]
    assert_snapshot(f"checklist/{stack}-as-{environment}.txt", "".join(f"{line}\n" for line in lines))


def test_a_development_stack_is_left_in_peace_about_what_only_production_needs() -> None:
    found = {finding.id for finding in checklist(facts("dev", "development"))}
    assert found == {"weights-not-pinned"}
