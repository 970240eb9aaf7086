"""The EC2 catalogue says what its sources say."""

import pytest
from pydantic import ValidationError

from planner.catalogue import catalogue, chips


def test_a_gpu_type_carries_the_numbers_of_its_source() -> None:
    found = catalogue()["g6e.12xlarge"]

    assert (found.gpus, found.gpu_memory_mib, found.vcpu, found.memory_gib) == (4, 45776, 48, 384)
    assert (found.nvme_gb, found.network_gbps, found.efa_interfaces) == (3800, 100, 1)
    assert found.allocatable_cpu_millicores == 47810
    assert found.allocatable_memory_mib == 360157
    assert found.allocatable_pods == 292
    assert found.usd_per_hour == 10.4926
    assert found.chip == chips()["L40S"]


def test_all_types_of_the_fact_sheet_are_there_and_some_without_gpus() -> None:
    assert sum(item.gpus > 0 for item in catalogue().values()) == 51
    assert {"m7i.large", "m7i.xlarge", "m7i.2xlarge", "c7a.xlarge"} <= set(catalogue())


def test_a_type_has_gpus_exactly_if_it_has_a_chip_with_memory() -> None:
    for item in catalogue().values():
        assert (item.gpus > 0) == (item.chip is not None) == (item.gpu_memory_mib > 0), item.name


def test_pods_never_get_more_than_the_machine_has() -> None:
    for item in catalogue().values():
        assert item.allocatable_cpu_millicores < item.vcpu * 1000, item.name
        assert item.allocatable_memory_mib < item.memory_gib * 1024, item.name


def test_every_type_names_the_sources_of_its_numbers() -> None:
    for item in catalogue().values():
        assert "instance-types.md" in item.source, item.name
        assert "2026-" in item.source + item.price_source, item.name


def test_the_one_type_without_a_listed_price_says_none_instead_of_zero() -> None:
    assert [item.name for item in catalogue().values() if item.usd_per_hour is None] == ["p5e.48xlarge"]


def test_a_t4_cannot_do_bfloat16_and_a_version_is_text() -> None:
    assert chips()["T4"].bf16 is False
    assert chips()["RTX PRO 6000"].compute_capability == "12.0"


def test_types_are_frozen() -> None:
    with pytest.raises(ValidationError):
        catalogue()["g5.xlarge"].__setattr__("gpus", 2)
