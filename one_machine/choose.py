"""Which version of which model of a stack file runs on a machine. Pure."""

from components.spec import VersionSpec
from infra.presets import number
from infra.resolve import traffic, version_specs
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from one_machine.machine import Machine
from planner.catalogue import catalogue
from planner.finding import nearest


def choose(
    settings: StackSettings,
    model: str,
    version: str | None,
    *,
    port: int,
    publish: bool,
    replicas: int = 1,
    gpus: int | None = None,
) -> Machine:
    """Return the machine for a version; None = the one with the most traffic.

    `gpus` are the machine's; None = as many as a node of the version's pool has. Raises ValueError, in words
    for the user, for what is not there and for replicas the GPUs do not hold.
    """
    spec = _version(settings, model, version)
    pool = settings.pools[spec.pool]
    have, need = catalogue()[pool.instance_type].gpus if gpus is None else gpus, spec.resources.gpus
    if replicas * need > have:
        whose = f"a node of pool {spec.pool} ({pool.instance_type})" if gpus is None else "the machine"
        raise ValueError(
            f"{replicas} x {need} GPUs are asked for, {whose} has {have}; "
            "give --gpus the number of the machine's, or fewer --replicas"
        )
    return Machine(
        version=spec,
        replicas=replicas,
        port=port,
        publish=publish,
        longest_stream_seconds=number(settings, "gateway", settings.gateway, "longest_stream_seconds"),
    )


def _version(settings: StackSettings, model: str, version: str | None) -> VersionSpec:
    served = {
        name: found for name, found in settings.models.items() if isinstance(found, ServedModelSettings)
    }
    there = f"models with engines: {', '.join(served) or 'none'}"
    if model not in settings.models:
        raise ValueError(f"models.{model}: is not in the stack file; {there}")
    if model not in served:
        raise ValueError(f"models.{model}: is an external provider's, there is nothing to run; {there}")
    share = traffic(served[model])
    chosen = version or max(served[model].versions, key=lambda name: share.get(name, 0))
    for spec in version_specs(settings):
        if (spec.model, spec.version) == (model, chosen):
            return spec
    raise ValueError(
        f"models.{model}.versions.{chosen}: is not there; {nearest(chosen, served[model].versions)}"
    )
