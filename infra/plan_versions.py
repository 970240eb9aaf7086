"""What the planner says about each version: memory, start, speed, and the findings of these. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.gateway.model import GatewayModel
from components.serving.manifests import version_manifests
from components.spec import VersionSpec
from infra.plan_budgets import pod_drain, start_budget
from infra.presets import presets
from infra.resolve import Resolved, traffic
from infra.stackfile.models import ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings
from planner.answer_times import AnswerTimes, answer_findings
from planner.catalogue import InstanceType, catalogue
from planner.drain_budget import drain_findings
from planner.finding import Finding, error, warning
from planner.launch_figures import first_token_of, speed_of
from planner.memory import MemoryEstimate, MemoryRequest, estimate, explain, smallest_changes
from planner.start_budget import start_findings
from planner.start_time import StartEstimate
from planner.throughput import Throughput


@dataclass(frozen=True, kw_only=True)
class VersionPlan:
    """One version and what the planner makes of it. None = not known, or no GPU."""

    spec: VersionSpec
    path: str
    """Dotted path of its settings."""
    node: InstanceType
    input_tokens: int
    output_tokens: int
    """Of the mean request."""
    request: MemoryRequest | None
    memory: MemoryEstimate | None
    start: StartEstimate | None
    speed: Throughput | None


def version_plan(settings: StackSettings, resolved: Resolved) -> VersionPlan:
    """Ask the planner about one version."""
    spec, request = resolved.spec, resolved.request
    model, version = _settings_of(settings, spec)
    node = catalogue()[settings.pools[spec.pool].instance_type]
    assumed = presets()["estimates"]
    tokens_in = model.requests.input_tokens or assumed["input_tokens"]
    tokens_out = model.requests.output_tokens or assumed["output_tokens"]
    memory = estimate(request) if request else None
    speed = None
    if request and memory:
        speed = speed_of(
            request,
            memory,
            node,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            measured=version.measured,
        )
    return VersionPlan(
        spec=spec,
        path=f"models.{spec.model}.versions.{spec.version}",
        node=node,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        request=request,
        memory=memory,
        start=resolved.start,
        speed=speed,
    )


def version_findings(settings: StackSettings, plan: VersionPlan, gateway: GatewayModel) -> list[Finding]:
    """Everything that does not fit, start, drain or answer in time, of one version as it is rendered."""
    manifests = version_manifests(plan.spec)
    found = list(_memory(plan))
    if plan.start is not None:
        found += start_findings(start_budget(plan.path, manifests, plan.start))
    longest = gateway.longest_stream_seconds
    found += drain_findings(pod_drain(settings, plan.path, plan.spec, manifests, longest))
    times = _answer_times(settings, plan, gateway)
    return found + (answer_findings(times) if times else [])


def _memory(plan: VersionPlan) -> Iterator[Finding]:
    found = plan.memory
    if plan.request is None or found is None or found.verdict == "fits":
        return
    changes = [change.text for change in smallest_changes(plan.request, plan.node)]
    gpus = f"{plan.request.gpus} x " if plan.request.gpus > 1 else ""
    where = f"{gpus}{plan.request.gpu.name} of a {plan.node.name}"
    why = explain(found) if found.reasons or found.limiting is None else f"{found.limiting}: {explain(found)}"
    helps = f"any one of these makes it fit: {'; '.join(changes)}" if changes else ""
    if found.verdict == "does_not_fit":
        fix = helps or "use a smaller model, or more or larger GPUs"
        yield error(plan.path, f"does not fit {where}: {why}", fix, id="model-does-not-fit")
    else:
        fix = helps or "try it before you rely on it"
        if plan.request.engine == "vllm" and plan.request.model.layers is None:
            fix = "give its config_json, and weights_gib if you know it"
        message = f"may or may not fit {where}: {why}"
        yield warning(plan.path, message, fix, id="memory-uncertain")


def _answer_times(settings: StackSettings, plan: VersionPlan, gateway: GatewayModel) -> AnswerTimes | None:
    """None for versions without traffic, or of unknown speed."""
    model, _ = _settings_of(settings, plan.spec)
    if plan.speed is None or not traffic(model).get(plan.spec.version):
        return None
    longest_prompt = (plan.memory and plan.memory.max_model_len) or plan.input_tokens
    alone = plan.request and first_token_of(plan.request, plan.node, longest_prompt)
    objectives = model.objectives
    return AnswerTimes(
        path=f"models.{plan.spec.model}",
        expected=plan.speed,
        longest_prompt_ttft_seconds=alone or plan.speed.ttft_seconds,
        longest_answer_tokens=model.requests.longest_output_tokens,
        longest_stream_seconds=gateway.longest_stream_seconds,
        first_token_timeout_seconds=gateway.first_token_timeout_seconds,
        request_timeout_seconds=gateway.request_timeout_seconds,
        ttft_objective_seconds=objectives.ttft_p95_seconds if objectives else None,
        tpot_objective_seconds=objectives.tpot_p95_seconds if objectives else None,
    )


def _settings_of(settings: StackSettings, spec: VersionSpec) -> tuple[ServedModelSettings, VersionSettings]:
    model = settings.models[spec.model]
    assert isinstance(model, ServedModelSettings)  # noqa: S101 - only these have versions
    return model, model.versions[spec.version]
