"""Time budgets read from the manifests, so that what is rendered is checked and not what was meant. Pure."""

from collections.abc import Mapping
from typing import Any

from components.gateway import litellm
from components.gateway.findings import tries
from components.gateway.manifests import gateway_manifests
from components.gateway.model import GatewaySpec, IngressSpec
from components.ingress_manifests import ALB, ingress
from components.spec import Manifest, VersionSpec
from infra.resolve_cluster import makes_nodes_itself
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.stack import StackSettings
from planner.drain_budget import GatewayTimes, LoadBalancer, PodDrain
from planner.start_budget import StartBudget
from planner.start_time import StartEstimate

_ENGINE_GIVES_UP = "VLLM_ENGINE_READY_TIMEOUT_S"


def start_budget(path: str, manifests: Mapping[str, Manifest], estimate: StartEstimate) -> StartBudget:
    """What waits for a version's start, from its manifests."""
    deployment = manifests["deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (engine,) = pod["containers"]
    return StartBudget(
        path=path,
        estimate=estimate,
        startup_seconds=_patience(engine["startupProbe"]) if "startupProbe" in engine else None,
        readiness_seconds=_patience(engine["readinessProbe"]),
        liveness_seconds=_patience(engine["livenessProbe"]),
        engine_timeout_seconds=next(
            (int(e["value"]) for e in engine["env"] if e["name"] == _ENGINE_GIVES_UP and _is_number(e)), None
        ),
        progress_deadline_seconds=deployment["spec"]["progressDeadlineSeconds"],
        await_seconds=int(deployment["metadata"]["annotations"]["pulumi.com/timeoutSeconds"]),
        grace_seconds=pod["terminationGracePeriodSeconds"],
        surge=deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"],
        scale_down_seconds=_scale_down(manifests.get("scaler")),
    )


def pod_drain(
    settings: StackSettings,
    path: str,
    spec: VersionSpec,
    manifests: Mapping[str, Manifest],
    longest_stream_seconds: int,
) -> PodDrain:
    """How a version's pods leave, from its manifests."""
    pod = manifests["deployment"]["spec"]["template"]["spec"]
    (engine,) = pod["containers"]
    prestop, pool = _prestop(engine), settings.pools[spec.pool]
    waits_before_term = prestop > spec.prestop_seconds  # the engine would not wait after it
    return PodDrain(
        path=path,
        prestop_seconds=prestop,
        drain_seconds=0 if waits_before_term else spec.engine.drain_seconds,
        margin_seconds=spec.margin_seconds,
        grace_seconds=pod["terminationGracePeriodSeconds"],
        longest_stream_seconds=longest_stream_seconds,
        managed_nodes=isinstance(settings.cluster, EksClusterSettings)
        and not makes_nodes_itself(settings.cluster, pool),
        capacity=pool.capacity,
    )


def gateway_budgets(spec: GatewaySpec, outside: IngressSpec | None) -> tuple[GatewayTimes, PodDrain]:
    """What the gateway and the load balancer before it wait for, and how its pods leave."""
    pod = gateway_manifests(spec, environment_secret="")["deployment"]["spec"]["template"]["spec"]
    container = next(part for part in pod["containers"] if part["name"] == "gateway")
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    shutdown, arguments = int(environment["GRACEFUL_SHUTDOWN_TIMEOUT"]), container["args"]
    longest = int(environment["LITELLM_MAX_STREAMING_DURATION_SECONDS"])
    balancer = _load_balancer(ingress(outside, spec)) if outside and outside.class_name == ALB else None
    times = GatewayTimes(
        longest_stream_seconds=longest,
        request_timeout_seconds=litellm.render(spec.model)["litellm_settings"]["request_timeout"],
        tries=max((count for _, count in tries(spec.model)), default=1),
        shutdown_seconds=shutdown,
        keepalive_seconds=int(arguments[arguments.index("--keepalive_timeout") + 1]),
        load_balancer=balancer,
    )
    drain = PodDrain(
        path="gateway",
        drain_setting="longest_stream_seconds",
        prestop_seconds=_prestop(container),
        drain_seconds=shutdown,
        margin_seconds=spec.margin_seconds,
        grace_seconds=pod["terminationGracePeriodSeconds"],
        longest_stream_seconds=longest,
        behind_load_balancer=balancer is not None,
    )
    return times, drain


def _patience(probe: Mapping[str, Any]) -> int:
    return int(probe["periodSeconds"] * probe["failureThreshold"])


def _prestop(container: Mapping[str, Any]) -> int:
    return int(container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))


def _is_number(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("value", "")).isdigit()


def _scale_down(scaler: Manifest | None) -> int | None:
    if scaler is None:
        return None
    spec = scaler["spec"]
    spec = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", spec)
    return int(spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"])


def _load_balancer(manifest: Manifest) -> LoadBalancer:
    notes = manifest["metadata"]["annotations"]
    return LoadBalancer(
        idle_timeout_seconds=_attribute(notes, "load-balancer-attributes", "idle_timeout"),
        deregistration_seconds=_attribute(notes, "target-group-attributes", "deregistration_delay"),
    )


def _attribute(notes: Mapping[str, str], annotation: str, name: str) -> int:
    pairs = dict(pair.split("=") for pair in notes[f"alb.ingress.kubernetes.io/{annotation}"].split(","))
    return int(pairs[f"{name}.timeout_seconds"])
