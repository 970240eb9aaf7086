"""What EC2 and EBS allow beyond the size of a machine, from data/ec2_limits.yaml."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml


@cache
def limits() -> Mapping[str, Any]:
    """The tables of the data file."""
    text = files("planner").joinpath("data/ec2_limits.yaml").read_text(encoding="utf-8")
    return MappingProxyType(yaml.safe_load(text))


def ebs_mib_per_second(instance_type: str) -> float | None:
    """Most bandwidth between this type and its EBS volumes; None for types without a row."""
    megabits: int | None = limits()["ebs"]["megabits_per_second"].get(instance_type)
    return None if megabits is None else megabits * 1e6 / 8 / 2**20


def gp3_mib_per_second() -> int:
    """Throughput of a gp3 volume for which nothing more is paid."""
    default: int = limits()["ebs"]["gp3_mib_per_second"]["default"]
    return default
