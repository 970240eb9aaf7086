"""The manifests we really render keep the time budgets: the stack files of this repository, rendered."""

from typing import Any

import pytest

from components.gateway import litellm
from components.gateway.manifests import gateway_manifests
from components.ingress_manifests import ingress
from components.serving.manifests import version_manifests
from components.spec import VersionSpec
from infra.checking import check_settings
from infra.resolve import version_specs
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.drain_budget import GatewayTimes, LoadBalancer, PodDrain, drain_findings, gateway_findings
from planner.finding import Finding, Severity
from planner.start_budget import StartBudget, start_findings
from planner.start_time import StartRequest, start_estimate
from tests.stack_files import STACKS, stack_config

WEIGHTS_BYTES = {  # of the files on the Hub and in Ollama's registry, rounded up
    "Qwen/Qwen3-8B": 16_400_000_000,
    "Qwen/Qwen3-8B-FP8": 9_500_000_000,
    "Qwen/Qwen3-4B-FP8": 5_200_000_000,
    "Qwen/Qwen3-32B": 65_600_000_000,
    "NousResearch/Meta-Llama-3-8B-Instruct": 16_100_000_000,
    "qwen3:4b": 2_600_000_000,
}


def settings(stack: str) -> StackSettings:
    parsed, _ = check_settings(stack_config(stack))
    assert parsed is not None
    return parsed


def versions() -> list[Any]:
    return [
        pytest.param(stack, spec, id=f"{stack}-{spec.name}")
        for stack in STACKS
        for spec in version_specs(settings(stack))
    ]


def patience(probe: dict[str, Any]) -> int:
    return int(probe["periodSeconds"] * probe["failureThreshold"])


def errors(found: list[Finding]) -> list[str]:
    return [str(finding) for finding in found if finding.severity is Severity.ERROR]


def start_budget(stack: str, spec: VersionSpec) -> StartBudget:
    manifests = version_manifests(spec)
    deployment = manifests["deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (engine,) = pod["containers"]
    scaler = manifests.get("scaler", {}).get("spec", {})
    scaler = scaler.get("advanced", {}).get("horizontalPodAutoscalerConfig", scaler)
    down = scaler.get("behavior", {}).get("scaleDown", {}).get("stabilizationWindowSeconds")
    node = catalogue()[settings(stack).pools[spec.pool].instance_type]
    return StartBudget(
        path=f"models.{spec.model}.versions.{spec.version}",
        estimate=start_estimate(
            StartRequest(
                engine=spec.engine.engine,
                node=node,
                weights_bytes=WEIGHTS_BYTES[spec.engine.model],
                source="hub",
                download_in_init="initContainers" in pod,
            )
        ),
        startup_seconds=patience(engine["startupProbe"]),
        readiness_seconds=patience(engine["readinessProbe"]),
        liveness_seconds=patience(engine["livenessProbe"]),
        engine_timeout_seconds=next(
            (int(e["value"]) for e in engine["env"] if e["name"] == "VLLM_ENGINE_READY_TIMEOUT_S"), None
        ),
        progress_deadline_seconds=deployment["spec"]["progressDeadlineSeconds"],
        await_seconds=int(deployment["metadata"]["annotations"]["pulumi.com/timeoutSeconds"]),
        grace_seconds=pod["terminationGracePeriodSeconds"],
        surge=deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"],
        scale_down_seconds=down,
    )


@pytest.mark.parametrize(("stack", "spec"), versions())
def test_a_version_starts_within_its_budgets(stack: str, spec: VersionSpec) -> None:
    assert errors(start_findings(start_budget(stack, spec))) == []


@pytest.mark.parametrize(("stack", "spec"), versions())
def test_a_versions_requests_end_before_its_pod(stack: str, spec: VersionSpec) -> None:
    pod = version_manifests(spec)["deployment"]["spec"]["template"]["spec"]
    (engine,) = pod["containers"]
    prestop = engine["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = PodDrain(
        path=f"models.{spec.model}.versions.{spec.version}",
        prestop_seconds=prestop,
        drain_seconds=0 if prestop > spec.prestop_seconds else spec.engine.drain_seconds,
        margin_seconds=spec.margin_seconds,
        grace_seconds=pod["terminationGracePeriodSeconds"],
        longest_stream_seconds=gateway_spec(settings(stack)).model.longest_stream_seconds,
    )
    assert drain_findings(drain) == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_gateways_streams_end_before_it_and_its_load_balancer(stack: str) -> None:
    spec, outside = gateway_spec(settings(stack)), ingress_spec(settings(stack))
    deployment = gateway_manifests(spec, environment_secret="secret")["deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    arguments = container["args"]
    keepalive = int(arguments[arguments.index("--keepalive_timeout") + 1])
    balancer = None
    if outside:
        notes = ingress(outside, spec)["metadata"]["annotations"]
        balancer = LoadBalancer(
            idle_timeout_seconds=_attribute(notes, "load-balancer-attributes", "idle_timeout"),
            deregistration_seconds=_attribute(notes, "target-group-attributes", "deregistration_delay"),
        )
    longest = int(environment["LITELLM_MAX_STREAMING_DURATION_SECONDS"])
    times = GatewayTimes(
        longest_stream_seconds=longest,
        request_timeout_seconds=litellm.render(spec.model)["litellm_settings"]["request_timeout"],
        tries=4,
        shutdown_seconds=int(environment["GRACEFUL_SHUTDOWN_TIMEOUT"]),
        keepalive_seconds=keepalive,
        load_balancer=balancer,
    )
    drain = PodDrain(
        path="gateway",
        drain_setting="longest_stream_seconds",
        prestop_seconds=container["lifecycle"]["preStop"]["sleep"]["seconds"],
        drain_seconds=int(environment["GRACEFUL_SHUTDOWN_TIMEOUT"]),
        margin_seconds=spec.margin_seconds,
        grace_seconds=pod["terminationGracePeriodSeconds"],
        longest_stream_seconds=longest,
        behind_load_balancer=balancer is not None,
    )
    assert gateway_findings(times) == []
    assert drain_findings(drain) == []


def _attribute(notes: dict[str, str], annotation: str, name: str) -> int:
    pairs = dict(pair.split("=") for pair in notes[f"alb.ingress.kubernetes.io/{annotation}"].split(","))
    return int(pairs[f"{name}.timeout_seconds"])
