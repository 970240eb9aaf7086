"""Rules about the network of an EKS cluster: addresses, ways out, an existing VPC's subnets. Pure."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from components.aws.subnets import network, overlapping
from infra import resolve_cluster
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.network import ExistingNetworkSettings, NewNetworkSettings
from infra.stackfile.stack import StackSettings
from planner.finding import Finding, error, nearest, warning

_PATH = "cluster.network"
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
"""RFC 1918, and RFC 6598, which EKS takes too (EKS best practices, custom networking)."""
_SERVICE_PREFIXES = range(12, 25)
"""EKS API, KubernetesNetworkConfigRequest.serviceIpv4Cidr."""
_NEEDED_WITHOUT_NAT = ("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "sts")
"""EKS User Guide, private clusters: what nodes, images and identities call."""


def check_network(settings: StackSettings, cluster: EksClusterSettings) -> Iterator[Finding]:
    """Findings about the network, in the order of the file."""
    chosen = cluster.network
    yield from _service_cidr(cluster)
    if isinstance(chosen, ExistingNetworkSettings):
        yield from _existing(cluster, chosen)
        return
    yield from _addresses(cluster, chosen)
    yield from _ways_out(settings, chosen)


def _service_cidr(cluster: EksClusterSettings) -> Iterator[Finding]:
    path = "cluster.service_cidr"
    try:
        block = network(cluster.service_cidr)
    except ValueError as problem:
        yield error(path, str(problem), "as in 172.20.0.0/16")
        return
    if not _is_private(block) or block.prefixlen not in _SERVICE_PREFIXES:
        wanted = f"use a private block from /{_SERVICE_PREFIXES[0]} to /{_SERVICE_PREFIXES[-1]}"
        yield error(path, f"{block} cannot be the Services' addresses", wanted)


def _addresses(cluster: EksClusterSettings, chosen: NewNetworkSettings) -> Iterator[Finding]:
    path = f"{_PATH}.cidr"
    try:
        resolve_cluster.network_spec(cluster)
    except ValueError as problem:
        message, _, fix = str(problem).partition("; ")
        yield error(path, message, fix or "as in 10.0.0.0/16")
    try:
        block = network(chosen.cidr)
    except ValueError:
        return  # told above
    if not _is_private(block):
        yield error(path, f"{block} are addresses of the internet", "use a private block, as in 10.0.0.0/16")
    for cidr, where in (
        *((cidr, f"{_PATH}.connected_cidrs") for cidr in chosen.connected_cidrs),
        (cluster.service_cidr, "cluster.service_cidr"),
    ):
        try:
            if overlapping(cidr, [chosen.cidr]):
                yield error(where, f"{cidr} overlaps the VPC's {chosen.cidr}", "use a block of its own")
        except ValueError as problem:
            if where != "cluster.service_cidr":  # that one is told by its own rule
                yield error(where, str(problem), "as in 10.1.0.0/16")


def _ways_out(settings: StackSettings, chosen: NewNetworkSettings) -> Iterator[Finding]:
    if chosen.nat == "one" and settings.environment == "production":
        yield warning(f"{_PATH}.nat", "is one: its zone's loss cuts off every zone", "use per_zone")
    if chosen.nat != "none":
        return
    missing = sorted(set(_NEEDED_WITHOUT_NAT) - set(chosen.interface_endpoints))
    if missing:
        path = f"{_PATH}.interface_endpoints"
        yield error(path, f"lack {', '.join(missing)}, and there is no NAT", "add them")
    for name, model in settings.models.items():
        if not isinstance(model, ServedModelSettings):
            yield error(
                f"{_PATH}.nat", f"is none, and models.{name} lies in the internet", "use one or per_zone"
            )
            continue
        for version_name, version in model.versions.items():
            where = f"models.{name}.versions.{version_name}"
            if not version.model.startswith("s3://"):
                yield error(
                    f"{where}.model", "lies in the internet, and cluster.network.nat is none", "use s3://"
                )
            if version.image is None or ".dkr.ecr." not in version.image:
                yield error(
                    f"{where}.image", "lies in the internet, and cluster.network.nat is none", "use ECR"
                )


def _existing(cluster: EksClusterSettings, chosen: ExistingNetworkSettings) -> Iterator[Finding]:
    zones = set(cluster.availability_zones)
    for field, subnets in (
        ("private_subnets", chosen.private_subnets),
        ("intra_subnets", chosen.intra_subnets),
    ):
        path = f"{_PATH}.{field}"
        for zone in sorted(set(subnets) - zones):
            yield error(f"{path}.{zone}", "is not one of cluster.availability_zones", nearest(zone, zones))
        if (missing := sorted(zones - set(subnets))) and (subnets or field == "private_subnets"):
            yield error(path, f"has none in {', '.join(missing)}", "name a subnet of every zone")
        if len(set(subnets.values())) < len(subnets):
            yield error(path, "names a subnet twice", "a subnet lies in one zone")


def _is_private(block: IPv4Network) -> bool:
    return any(block.subnet_of(private) for private in _PRIVATE)
