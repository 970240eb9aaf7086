"""A VPC's addresses divided over zones."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws.spec import ZoneSubnets
from components.aws.subnets import overlapping, usable, zone_subnets

ZONES = tuple("abcdefgh")


@st.composite
def blocks(draw: st.DrawFn) -> str:
    prefix = draw(st.integers(16, 22))
    return f"10.{draw(st.integers(0, 255))}.0.0/{prefix}"


def cidrs(subnets: ZoneSubnets) -> list[IPv4Network]:
    return [IPv4Network(cidr) for cidr in (subnets.private, subnets.public, subnets.intra)]


def test_a_16_over_two_zones() -> None:
    assert zone_subnets("10.0.0.0/16", ["a", "b"]) == (
        ZoneSubnets(zone="a", private="10.0.0.0/19", public="10.0.32.0/20", intra="10.0.48.0/22"),
        ZoneSubnets(zone="b", private="10.0.64.0/19", public="10.0.96.0/20", intra="10.0.112.0/22"),
    )


@given(blocks(), st.integers(1, 4))
def test_no_two_subnets_share_an_address_and_all_lie_in_the_vpc(cidr: str, count: int) -> None:
    every = [block for zone in zone_subnets(cidr, ZONES[:count]) for block in cidrs(zone)]
    assert len(every) == 3 * count
    assert all(block.subnet_of(IPv4Network(cidr)) and block.prefixlen <= 28 for block in every)
    assert not [pair for pair in combinations(every, 2) if pair[0].overlaps(pair[1])]


@given(blocks(), st.integers(1, 3))
def test_a_further_zone_up_to_the_fourth_moves_no_subnet(cidr: str, count: int) -> None:
    assert zone_subnets(cidr, ZONES[: count + 1])[:count] == zone_subnets(cidr, ZONES[:count])


@pytest.mark.parametrize(("count", "smallest"), [(2, 22), (4, 22), (5, 21), (8, 21)])
def test_the_smallest_block_for_so_many_zones_is_told(count: int, smallest: int) -> None:
    assert len(zone_subnets(f"10.0.0.0/{smallest}", ZONES[:count])) == count
    with pytest.raises(ValueError, match=f"too small for {count} zones; they need a /{smallest} or larger"):
        zone_subnets(f"10.0.0.0/{smallest + 1}", ZONES[:count])


@pytest.mark.parametrize(
    ("cidr", "message"),
    [
        ("10.0.0.0/8", "larger than a VPC can be"),
        ("10.0.0.1/16", "the block is 10.0.0.0/16"),
        ("ten", "is not a CIDR block"),
        ("10.0.0.0/33", "is not a CIDR block"),
    ],
)
def test_what_is_no_vpc_is_told_with_what_would_be_right(cidr: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zone_subnets(cidr, ["a", "b"])


def test_aws_keeps_five_addresses_of_each_subnet() -> None:
    assert usable("10.0.0.0/28") == 11


def test_overlaps_are_found_in_both_directions() -> None:
    others = ["10.0.128.0/20", "10.0.0.0/8", "10.1.0.0/16"]
    assert overlapping("10.0.0.0/16", others) == ["10.0.128.0/20", "10.0.0.0/8"]
