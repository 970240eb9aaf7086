"""From the stack file to the router of a version. Pure."""

from components.spec import EngineName, Resources, RouterSpec
from infra.presets import number, presets
from infra.stackfile.models import ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings

ROUTED_ENGINE: EngineName = "vllm"
"""The engine the router was made for: it reads its health and its metrics."""


def router_spec(
    settings: StackSettings, model: ServedModelSettings, version: VersionSettings
) -> RouterSpec | None:
    """Return what stands before a version's replicas; None where its Service is enough."""
    balancing = model.balancing
    most = model.scaling.max if model.scaling else version.replicas or 1
    if balancing is None or version.engine != ROUTED_ENGINE or most < 2:
        return None
    return RouterSpec(
        image=balancing.image or presets()["router"]["image"],
        policy=balancing.policy,
        replicas=balancing.replicas,
        resources=Resources(
            cpu_millicores=round(balancing.cpu * 1000),
            memory_mib=balancing.memory_mib,
            memory_limit_mib=balancing.memory_mib,
        ),
        prestop_seconds=number(settings, "version", version, "prestop_seconds"),
        longest_stream_seconds=number(settings, "gateway", settings.gateway, "longest_stream_seconds"),
        margin_seconds=presets()[settings.preset]["version"]["margin_seconds"],
    )
