"""Rules about pools of an EKS cluster: types, images, ways of buying, disks. Pure."""

import re
from collections.abc import Iterator

from components import naming
from infra.resolve_cluster import makes_nodes_itself, pool_capacity, pool_parts
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.pools import PoolSettings
from infra.stackfile.stack import StackSettings
from planner.capacity import quotas
from planner.catalogue import InstanceType, catalogue
from planner.eks import image_gpu_problem, images, support_calendar, version_key
from planner.finding import Finding, error, nearest, warning

MAX_POOL_NAME_LENGTH = 50
"""A node group's name has up to 63 characters (EKS API, CreateNodegroup); Pulumi adds a dash and 7."""
_RESERVED = ("kubernetes.io", "k8s.io", "eks.amazonaws.com", "karpenter.sh", naming.DOMAIN, "nvidia.com")
_RELEASES = {
    "group": re.compile(r"(?P<version>\d\.\d{2})\.\d+-\d{8}|\d+\.\d+\.\d+-[0-9a-f]{8}"),
    "karpenter": re.compile(r"v\d{8}|v?\d+\.\d+\.\d+"),
}
"""How EKS (AL2023, Bottlerocket) and how Karpenter name a release of a node image."""


def check_pools(settings: StackSettings, cluster: EksClusterSettings) -> Iterator[Finding]:
    """Findings about every pool, then about all of them together."""
    for name, pool in settings.pools.items():
        path = f"pools.{name}"
        if len(name) > MAX_POOL_NAME_LENGTH:
            yield error(path, f"has a name of {len(name)} characters", f"use {MAX_POOL_NAME_LENGTH} or fewer")
        yield from _capacity(path, pool)
        yield from _zones(path, pool, cluster)
        yield from _disk(path, pool)
        yield from _labels(path, pool)
        yield from _taints(settings, name)
        node = catalogue().get(pool.instance_type)
        if node is not None:
            yield from _types(path, pool, node)
            yield from _image(path, pool, node, cluster)
            yield from _efa(path, pool, node, cluster)
    yield from _together(settings, cluster)


def existing_pools(settings: StackSettings) -> Iterator[Finding]:
    """What a pool of an existing cluster says in vain."""
    for name, pool in settings.pools.items():
        for field in sorted(pool.model_fields_set - {"instance_type", "min", "max"}):
            message = "has no meaning: the nodes of an existing cluster are made elsewhere"
            yield warning(f"pools.{name}.{field}", message, "remove it, or use cluster.kind eks")


def _capacity(path: str, pool: PoolSettings) -> Iterator[Finding]:
    reserved = pool.capacity in ("capacity-block", "reservation")
    if reserved and pool.reservation_id is None:
        yield error(f"{path}.reservation_id", f"is missing, and capacity is {pool.capacity}", "add cr-...")
    if not reserved and pool.reservation_id is not None:
        yield error(f"{path}.reservation_id", f"is set, but capacity is {pool.capacity}", "remove one")
    if pool.other_instance_types and pool.capacity != "spot":
        yield error(
            f"{path}.other_instance_types",
            f"are set, and capacity is {pool.capacity}: it takes one type only",
            "remove them, or use spot",
        )
    if pool.capacity == "capacity-block":
        if pool.instance_type in catalogue() and not pool.instance_type.startswith("p"):
            yield error(f"{path}.capacity", f"there are no blocks of {pool.instance_type}", "use reservation")
        if len(pool.zones) != 1:
            yield error(f"{path}.zones", "must be the one zone of the capacity block", "name it")


def _zones(path: str, pool: PoolSettings, cluster: EksClusterSettings) -> Iterator[Finding]:
    for zone in pool.zones:
        if zone not in cluster.availability_zones:
            fix = nearest(zone, cluster.availability_zones)
            yield error(f"{path}.zones", f"{zone!r} is not one of cluster.availability_zones", fix)


def _disk(path: str, pool: PoolSettings) -> Iterator[Finding]:
    if pool.instance_type not in catalogue():
        return
    size = pool_parts("", pool)
    if size.disk_iops > 500 * size.disk_gib:
        most = 500 * size.disk_gib
        yield error(
            f"{path}.disk.iops",
            f"is {size.disk_iops}, and gp3 gives {most} at most at that size",
            "enlarge it",
        )
    if size.disk_mib_per_second * 4 > size.disk_iops:
        needed = size.disk_mib_per_second * 4
        yield error(
            f"{path}.disk.throughput_mib_per_second",
            f"is {size.disk_mib_per_second}, for which gp3 needs {needed} operations per second",
            f"raise disk.iops to {needed}",
        )


def _labels(path: str, pool: PoolSettings) -> Iterator[Finding]:
    for key in pool.labels:
        domain = key.partition("/")[0] if "/" in key else ""
        if any(domain == taken or domain.endswith(f".{taken}") for taken in _RESERVED):
            yield error(f"{path}.labels.{key}", "is a label others set", "use a domain of your own")
    for taint in pool.taints:
        if taint.key == naming.GPU_TAINT:
            yield error(f"{path}.taints", f"{taint.key} is there already on GPU nodes", "remove it")


def _taints(settings: StackSettings, name: str) -> Iterator[Finding]:
    """A taint that no pod of ours tolerates keeps them off."""
    versions = (
        version
        for model in settings.models.values()
        if isinstance(model, ServedModelSettings)
        for version in model.versions.values()
    )
    used = {version.pool for version in versions} | {settings.gateway.pool}
    if settings.pools[name].taints and name in used:
        path = f"pools.{name}.taints"
        yield error(path, "keep off the models and the gateway that are to run there", "remove them")


def _types(path: str, pool: PoolSettings, node: InstanceType) -> Iterator[Finding]:
    for name in pool.other_instance_types:
        other, where = catalogue().get(name), f"{path}.other_instance_types"
        if other is None:
            yield error(where, f"{name!r} is not in the catalogue", nearest(name, catalogue()))
        elif (other.chip, other.gpus) != (node.chip, node.gpus):
            yield error(where, f"{name} has other GPUs than {node.name}", "name types with the same GPUs")
        elif (
            other.allocatable_cpu_millicores < node.allocatable_cpu_millicores
            or other.allocatable_memory_mib < node.allocatable_memory_mib
        ):
            yield error(where, f"{name} is smaller than {node.name}", "make the smallest the instance_type")


def _image(
    path: str, pool: PoolSettings, node: InstanceType, cluster: EksClusterSettings
) -> Iterator[Finding]:
    supported = cluster.kubernetes_version in support_calendar()
    if (
        node.gpus
        and supported
        and (problem := image_gpu_problem(pool.image, node, cluster.kubernetes_version))
    ):
        yield error(f"{path}.instance_type", *problem)
    karpenter, release = makes_nodes_itself(cluster, pool), pool.image_release
    where = f"{path}.image_release"
    if release is None:
        if karpenter and images()[pool.image].karpenter_alias is None:
            yield error(
                where, f"is missing: none of {pool.image} is pinned for Karpenter", "add it, as in v1.64.0"
            )
        return
    match = _RELEASES["karpenter" if karpenter else "group"].fullmatch(release)
    if match is None:
        wanted = "v20260714" if karpenter else f"{cluster.kubernetes_version}.6-20260714"
        yield error(where, f"{release!r} is not a release of a node image", f"as in {wanted}")
    elif (version := match.groupdict().get("version")) and version_key(version) != version_key(
        cluster.kubernetes_version
    ):
        there = f"is of Kubernetes {version}, the cluster of {cluster.kubernetes_version}"
        yield error(where, there, "name a release of the cluster's version")


def _efa(path: str, pool: PoolSettings, node: InstanceType, cluster: EksClusterSettings) -> Iterator[Finding]:
    if not pool.efa:
        return
    if not node.efa_interfaces:
        yield error(
            f"{path}.efa", f"is true, and a {node.name} has no EFA", "use another type or leave it out"
        )
    if len(pool.zones or cluster.availability_zones) != 1:
        yield error(f"{path}.zones", "are several, and EFA works within one", "name one")
    if makes_nodes_itself(cluster, pool):
        yield error(
            f"{path}.efa", "needs a placement group, which only node groups get", "use another autoscaler"
        )


def _together(settings: StackSettings, cluster: EksClusterSettings) -> Iterator[Finding]:
    known = {name: pool for name, pool in settings.pools.items() if pool.instance_type in catalogue()}
    if known and not any(
        pool.min and not pool.taints and not catalogue()[pool.instance_type].gpus for pool in known.values()
    ):
        message = "have none for what every cluster runs: no GPU, no taint, min of 1 or more"
        yield error("pools", message, "add one, as in system: {instance_type: m7i.large, min: 2, max: 3}")
    for name, pool in known.items():
        if makes_nodes_itself(cluster, pool) and pool.min:
            message = "has no effect: Karpenter makes nodes for pods, not a least number of them"
            yield warning(f"pools.{name}.min", message, "leave it 0; the models' replicas decide")
        if cluster.autoscaler == "none" and pool.min < pool.max:
            yield warning(f"pools.{name}.max", "is never reached: cluster.autoscaler is none", "make it min")
    for need in quotas([pool_capacity(name, pool) for name, pool in known.items()]):
        allowed = cluster.vcpu_quotas.get(need.quota.code)
        if allowed is not None and need.vcpus_max > allowed:
            yield error(
                f"cluster.vcpu_quotas.{need.quota.code}",
                f"is {allowed}, and pools at their maximum need {need.vcpus_max} vCPUs",
                f"ask for more of {need.quota.name}, or lower the pools' max",
            )
