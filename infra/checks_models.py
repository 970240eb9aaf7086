"""Rules about models: traffic, scaling, fallbacks, and versions on their pools. Pure."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from components import naming
from components.engines import adapter
from components.engines.checks import engine_findings
from components.images import image_findings
from components.serving.router_pod import router_name
from infra import resolve
from infra.declared import Declared
from infra.estimates import model_facts
from infra.resolve_router import ROUTED_ENGINE, router_spec
from infra.stackfile.models import ScalingSettings, ServedModelSettings, VersionSettings
from infra.stackfile.stack import StackSettings
from planner.catalogue import catalogue
from planner.finding import Finding, error, nearest, warning


def check_models(settings: StackSettings, declared: Declared) -> Iterator[Finding]:
    """Findings about every model, in the order of the file."""
    for name, model in settings.models.items():
        if isinstance(model, ServedModelSettings):
            yield from _served(settings, declared, name, model)
    yield from _fallbacks(settings, declared)


def _served(
    settings: StackSettings, declared: Declared, name: str, model: ServedModelSettings
) -> Iterator[Finding]:
    path = f"models.{name}"
    if declared.versions[name]:
        yield from _traffic(f"{path}.traffic", declared.versions[name], declared.traffic[name], model)
    if model.scaling:
        yield from _scaling(settings, f"{path}.scaling", name, model, model.scaling)
    yield from _balancing(settings, name, model)
    for version_name, version in model.versions.items():
        yield from _version(settings, declared, name, model, version_name, version)


def _balancing(settings: StackSettings, name: str, model: ServedModelSettings) -> Iterator[Finding]:
    if model.balancing is None:
        return
    path = f"models.{name}.balancing"
    yield from image_findings(model.balancing.image, f"{path}.image")
    routers = {
        router_name(naming.version_name(name, version)): version
        for version, chosen in model.versions.items()
        if router_spec(settings, model, chosen)
    }
    if not routers:
        yield warning(
            path, f"has no effect: no version runs {ROUTED_ENGINE} with more than one replica", "leave it out"
        )
    for workload, version in routers.items():
        if len(workload) > naming.MAX_WORKLOAD_NAME_LENGTH:
            most = naming.MAX_WORKLOAD_NAME_LENGTH - len(router_name("")) - 1
            yield error(
                path,
                f"the name {workload} has {len(workload)} characters",
                f"model and version together may have {most} where there is a router",
            )
        for other in model.versions:
            if naming.version_name(name, other) == workload:
                yield error(
                    f"models.{name}.versions.{other}",
                    f"has the name of the router of {version}",
                    "rename the version",
                )


def _scaling(
    settings: StackSettings, path: str, name: str, model: ServedModelSettings, scaling: ScalingSettings
) -> Iterator[Finding]:
    if scaling.min > scaling.max:
        yield error(f"{path}.min", f"is {scaling.min}, more than max {scaling.max}", "lower min or raise max")
    if scaling.via == "keda" and not resolve.prometheus_url(settings):
        yield error("observability.prometheus_url", f"is missing, and {path} asks KEDA to query it", "add it")
    told = set()  # once, however many versions share it
    for version in model.versions.values():
        try:
            resolve.scaling_of(settings, model, resolve.engine_spec(settings, name, version))
        except ValueError as problem:
            told.add(str(problem))
    yield from (error(path, message, "see docs/scaling.md") for message in sorted(told))


def _traffic(
    path: str, versions: frozenset[str], given: frozenset[str], model: ServedModelSettings
) -> Iterator[Finding]:
    if model.traffic is None:
        if len(versions) > 1:
            yield error(
                path, f"is missing, and there are {len(versions)} versions", "say how many percent each gets"
            )
        return
    for version in sorted(set(model.traffic) - versions):
        yield error(f"{path}.{version}", "is not a version of this model", nearest(version, versions))
    if set(model.traffic) == given and (total := sum(model.traffic.values())) != 100:
        yield error(path, f"sums to {total}", "make it 100")


def _version(
    settings: StackSettings,
    declared: Declared,
    model_name: str,
    model: ServedModelSettings,
    name: str,
    version: VersionSettings,
) -> Iterator[Finding]:
    path = f"models.{model_name}.versions.{name}"
    if version.replicas is not None and model.scaling:
        yield error(f"{path}.replicas", "is set, but scaling owns the count", "remove one of them")
    if version.pool not in declared.pools:
        yield error(f"{path}.pool", f"{version.pool!r} is not a pool", nearest(version.pool, declared.pools))
    yield from engine_findings(
        adapter(version.engine), resolve.engine_spec(settings, model_name, version), path
    )
    pool = settings.pools.get(version.pool)
    if pool and pool.instance_type in catalogue():
        yield from _fits_node(settings, path, version, pool.instance_type)
    try:
        model_facts(version)
    except ValueError as problem:
        fix = "give the config.json of the model's repository"
        yield error(f"{path}.config_json", str(problem), fix)
    if version.model_token and version.engine == "ollama":
        yield error(f"{path}.model_token", "has no meaning: ollama takes none", "remove it")
    if version.cache.kind == "host_path":
        if not version.cache.host_path:
            yield error(
                f"{path}.cache.host_path", "is missing, and the kind is host_path", "add the node's folder"
            )
        security = "uses a folder of the node, so that pod security cannot be enforced in the namespace"
        yield warning(f"{path}.cache.kind", security, "use empty_dir or pvc, or accept it")


def _fits_node(
    settings: StackSettings, path: str, version: VersionSettings, instance_type: str
) -> Iterator[Finding]:
    node = catalogue()[instance_type]
    gpus = resolve.engine_spec(settings, "model", version).gpus
    if gpus > node.gpus:
        have = f"{node.gpus} GPU{'s' if node.gpus != 1 else ''}"
        yield error(
            f"{path}.pool",
            f"one replica needs {gpus} GPUs, a {instance_type} has {have}",
            "use a larger type",
        )
        return
    resources = resolve.version_resources(settings, version)
    for field, wanted, allocatable in (
        ("cpu", resources.cpu_millicores / 1000, node.allocatable_cpu_millicores / 1000),
        ("memory_gib", resources.memory_mib / 1024, node.allocatable_memory_mib / 1024),
    ):
        if wanted > allocatable:
            yield error(
                f"{path}.{field}",
                f"{wanted:g} does not fit a {instance_type}, which has {allocatable:.2f} for pods",
                "lower it or use a larger type",
            )
    if version.shm_gib and version.shm_gib * 1024 >= resources.memory_mib:
        have = f"the pod's {resources.memory_mib / 1024:g} GiB of memory"
        yield error(
            f"{path}.shm_gib", f"{version.shm_gib} is not less than {have}", "lower it or raise memory_gib"
        )


def _fallbacks(settings: StackSettings, declared: Declared) -> Iterator[Finding]:
    for name, model in settings.models.items():
        if not isinstance(model, ServedModelSettings):
            continue
        targets = [(f"models.{name}.fallbacks", target) for target in model.fallbacks]
        if model.context_fallback is not None:
            targets.append((f"models.{name}.context_fallback", model.context_fallback))
        for path, target in targets:
            if target == name:
                yield error(path, "names the model itself", "name another model")
            elif target not in declared.models:
                yield error(path, f"{target!r} is not a model", nearest(target, declared.models - {name}))
        yield from _context_grows(settings, name, model)
    yield from _circle(settings)


def _circle(settings: StackSettings) -> Iterator[Finding]:
    """A circle of fallbacks, if there is one; a model that names itself is told elsewhere."""
    targets = {
        name: sorted({*model.fallbacks} - {name})
        for name, model in settings.models.items()
        if isinstance(model, ServedModelSettings)
    }
    try:
        TopologicalSorter(targets).prepare()
    except CycleError as problem:
        circle = list(reversed(problem.args[1]))  # given from the last to the first
        first = min(circle)
        turn = circle.index(first)
        trail = [*circle[turn:-1], *circle[:turn], first]
        yield error(
            f"models.{first}.fallbacks", f"go in a circle: {' -> '.join(trail)}", "break it at one place"
        )


def _context_grows(settings: StackSettings, name: str, model: ServedModelSettings) -> Iterator[Finding]:
    target = settings.models.get(model.context_fallback or "")
    own = resolve.longest_context(model)
    other = target and resolve.longest_context(target)
    if own and other and other <= own:
        yield error(
            f"models.{name}.context_fallback",
            f"{model.context_fallback} takes {other} tokens, no more than {name}'s {own}",
            "name a model with a longer context",
        )
