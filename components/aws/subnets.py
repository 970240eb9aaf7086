"""A VPC's addresses, divided over zones. Pure.

Every zone gets one block of a fixed size: half of it for nodes and pods, a quarter for load balancers, a
sixteenth for the control plane; the rest stays free. Blocks are cut for at least four zones, so that a third
or fourth zone moves no subnet.
"""

from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from components.aws.spec import ZoneSubnets

ZONES_FORESEEN = 4
SMALLEST_SUBNET_PREFIX = 28
"""AWS makes no smaller subnet, and no larger VPC than a /16 (Amazon VPC User Guide, subnet sizing)."""
LARGEST_VPC_PREFIX = 16
RESERVED_ADDRESSES = 5
"""Addresses of each subnet that AWS keeps (Amazon VPC User Guide, subnet sizing)."""
_BITS = {"private": 1, "public": 2, "intra": 4}
"""How many bits longer than its zone's block the prefix of each subnet is."""


def network(cidr: str) -> IPv4Network:
    """Parse a CIDR block; raise ValueError with what would be right where it is none."""
    try:
        return IPv4Network(cidr)
    except (AddressValueError, NetmaskValueError):
        raise ValueError(f"{cidr!r} is not a CIDR block, as in 10.0.0.0/16") from None
    except ValueError:
        right = IPv4Network(cidr, strict=False)
        raise ValueError(f"{cidr!r} has host bits set; the block is {right}") from None


def zone_subnets(cidr: str, zones: Sequence[str]) -> tuple[ZoneSubnets, ...]:
    """Subnets of each zone, in the order of the zones.

    Raises ValueError where the block is not one, larger than AWS allows, or too small for so many zones.
    """
    vpc = network(cidr)
    if vpc.prefixlen < LARGEST_VPC_PREFIX:
        raise ValueError(f"{cidr} is larger than a VPC can be; use a /{LARGEST_VPC_PREFIX} or less")
    zone_bits = (max(ZONES_FORESEEN, len(zones)) - 1).bit_length()
    longest = SMALLEST_SUBNET_PREFIX - max(_BITS.values()) - zone_bits
    if vpc.prefixlen > longest:
        raise ValueError(f"{cidr} is too small for {len(zones)} zones; they need a /{longest} or larger")
    return tuple(_subnets(block, zone) for zone, block in zip(zones, vpc.subnets(zone_bits), strict=False))


def usable(cidr: str) -> int:
    """Addresses of a subnet that nodes and pods can have."""
    return network(cidr).num_addresses - RESERVED_ADDRESSES


def overlapping(cidr: str, others: Iterable[str]) -> list[str]:
    """Those of the other blocks that share addresses with this one."""
    own = network(cidr)
    return [other for other in others if network(other).overlaps(own)]


def _subnets(block: IPv4Network, zone: str) -> ZoneSubnets:
    private, rest = block.subnets(_BITS["private"])
    public, spare = rest.subnets(1)
    intra = next(spare.subnets(_BITS["intra"] - _BITS["public"]))
    return ZoneSubnets(zone=zone, private=str(private), public=str(public), intra=str(intra))
