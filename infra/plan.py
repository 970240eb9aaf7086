"""The plan of a stack: what the planner finds in it, and its figures. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from components.gateway.model import GatewaySpec
from infra.plan_budgets import gateway_budgets
from infra.plan_capacity import answered_loads, gateway_cores, pool_capacities, workloads
from infra.plan_versions import VersionPlan, version_findings, version_plan
from infra.resolve import resolved_versions
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stack_facts import stack_facts
from infra.stackfile.models import ModelSettings, ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner import drain_budget
from planner.capacity import PoolCapacity, Workload, capacity_findings
from planner.checklist import checklist
from planner.checklist.waivers import Waived, review
from planner.finding import Finding, Severity
from planner.gateway_load import AnsweredLoad, gateway_load_findings


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """Findings and what they rest on."""

    versions: tuple[VersionPlan, ...]
    gateway: GatewaySpec
    pools: tuple[PoolCapacity, ...]
    workloads: tuple[Workload, ...]
    answered: tuple[AnsweredLoad, ...]
    """What the gateway may have to stream."""
    findings: tuple[Finding, ...]
    """After waivers."""
    waived: tuple[Waived, ...]


_WHOLE = frozenset({"cluster", "gateway", "namespace", "observability", "preset"})
"""Settings that everything rests on: with a mistake in them nothing is planned."""


def plan_stack(settings: StackSettings, today: date) -> StackPlan:
    """Ask the planner everything about a stack whose settings have no mistakes; `today` ends waivers."""
    resolved = resolved_versions(settings)
    specs = [one.spec for one in resolved]
    gateway, outside = gateway_spec(settings), ingress_spec(settings)
    versions = tuple(version_plan(settings, one) for one in resolved)
    pools, works = pool_capacities(settings), workloads(specs, gateway)
    times, leaving = gateway_budgets(gateway, outside)
    answered = answered_loads(settings, versions)
    found = [
        *(finding for plan in versions for finding in version_findings(settings, plan, gateway.model)),
        *drain_budget.gateway_findings(times),
        *drain_budget.drain_findings(leaving),
        *capacity_findings(pools, works),
        *gateway_load_findings(gateway_cores(gateway), answered),
        *checklist(stack_facts(settings, specs, gateway, outside)),
    ]
    reviewed = review(
        list(dict.fromkeys(found)), settings.waivers, today=today, environment=settings.environment
    )
    return StackPlan(
        versions=versions,
        gateway=gateway,
        pools=tuple(pools),
        workloads=tuple(works),
        answered=tuple(answered),
        findings=reviewed.findings,
        waived=reviewed.waived,
    )


def sound_part(settings: StackSettings, findings: Sequence[Finding]) -> StackSettings | None:
    """What is left of a stack without the parts that have errors; None where nothing can be planned.

    So that what does not fit is told at once with what is misspelt.
    """
    broken = [finding.path for finding in findings if finding.severity is Severity.ERROR]
    if any(path.split(".")[0] in _WHOLE for path in broken):
        return None
    pools = {name: pool for name, pool in settings.pools.items() if not _below(f"pools.{name}", broken)}
    models: dict[str, ModelSettings] = {}
    for name, model in settings.models.items():
        if not isinstance(model, ServedModelSettings):
            models[name] = model
        elif left := _sound_model(name, model, pools.keys(), broken):
            models[name] = left
    tenants = {
        name: tenant.model_copy(update={"models": tuple(m for m in tenant.models if m in models)})
        for name, tenant in settings.tenants.items()
    }
    return settings.model_copy(update={"pools": pools, "models": models, "tenants": tenants})


def _sound_model(
    name: str, model: ServedModelSettings, pools: Collection[str], broken: Sequence[str]
) -> ServedModelSettings | None:
    path = f"models.{name}"
    versions = {
        version: chosen
        for version, chosen in model.versions.items()
        if chosen.pool in pools and not _below(f"{path}.versions.{version}", broken)
    }
    own = [at for at in broken if not at.startswith(f"{path}.versions.")]
    if not versions or _below(path, own):
        return None
    traffic = model.traffic and {v: share for v, share in model.traffic.items() if v in versions}
    return model.model_copy(update={"versions": versions, "traffic": traffic})


def _below(path: str, broken: Sequence[str]) -> bool:
    return any(at == path or at.startswith(f"{path}.") for at in broken)


def certain(plan: StackPlan, already: Sequence[Finding]) -> Iterator[Finding]:
    """Errors of a plan of a part of a stack, where nothing else is told of the same setting."""
    told = {finding.path for finding in already}
    for finding in plan.findings:
        if finding.severity is Severity.ERROR and finding.path not in told:
            yield finding
