"""What EC2 and EBS allow beyond the size of a machine, from data/ec2_limits.yaml."""

from typing import Any

from planner.data_files import data_file


def limits() -> dict[str, Any]:
    """The tables of the data file."""
    data: dict[str, Any] = data_file("ec2_limits.yaml")
    return data


def ebs_mib_per_second(instance_type: str) -> float | None:
    """Most bandwidth between this type and its EBS volumes; None for types without a row."""
    megabits: int | None = limits()["ebs"]["megabits_per_second"].get(instance_type)
    return None if megabits is None else megabits * 1e6 / 8 / 2**20


def gp3_mib_per_second() -> int:
    """Throughput of a gp3 volume for which nothing more is paid."""
    default: int = limits()["ebs"]["gp3_mib_per_second"]["default"]
    return default
