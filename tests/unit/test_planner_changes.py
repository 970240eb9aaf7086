"""The smallest changes that would make a configuration fit: each does, and one step less does not."""

import pytest

from planner.catalogue import catalogue
from planner.memory import Change, MemoryRequest, estimate, smallest_changes
from tests.unit.planner_requests import request


def by_setting(changes: tuple[Change, ...]) -> dict[str, Change]:
    return {change.setting: change for change in changes}


def fits(asked: MemoryRequest, **changed: object) -> bool:
    return estimate(asked.model_copy(update=changed)).verdict == "fits"


def test_nothing_is_to_change_where_it_fits() -> None:
    assert smallest_changes(request(max_model_len=8192), catalogue()["g6.xlarge"]) == ()


def test_a_context_that_is_too_long_is_cut_to_the_longest_that_fits() -> None:
    asked = request()
    found = by_setting(smallest_changes(asked))["max_model_len"]

    assert isinstance(found.value, int)
    assert fits(asked, max_model_len=found.value)
    assert not fits(asked, max_model_len=found.value + 256)
    assert str(found.value) in found.text


def test_every_change_offered_makes_it_fit() -> None:
    asked = request("Qwen/Qwen3-8B", max_model_len=40960, gpus_per_node=4)
    found = by_setting(smallest_changes(asked, catalogue()["g6.12xlarge"]))

    assert set(found) >= {"max_model_len", "tensor_parallel", "model", "instance_type"}
    assert fits(asked, tensor_parallel=found["tensor_parallel"].value)
    assert found["model"].value in ("Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B-AWQ")


def test_fewer_sequences_help_where_the_sampler_takes_the_memory() -> None:
    asked = request(
        "Qwen/Qwen3-4B",
        "H100",
        engine_version="0.11.0",
        gpu_memory_utilization=0.23,
        max_model_len=40960,
    )
    found = by_setting(smallest_changes(asked))["max_num_seqs"]

    assert isinstance(found.value, int)
    assert fits(asked, max_num_seqs=found.value)
    assert not fits(asked, max_num_seqs=2 * found.value)


def test_a_little_more_utilization_is_offered_where_it_is_enough() -> None:
    asked = request(max_model_len=8192, gpu_memory_utilization=0.75)
    found = by_setting(smallest_changes(asked))["gpu_memory_utilization"]

    assert isinstance(found.value, float)
    assert fits(asked, gpu_memory_utilization=found.value)
    assert not fits(asked, gpu_memory_utilization=found.value - 0.01)


def test_the_next_instance_type_comes_with_its_price_difference() -> None:
    asked = request("Qwen/Qwen3-14B", max_model_len=16384)
    found = by_setting(smallest_changes(asked, catalogue()["g6.xlarge"]))["instance_type"]

    assert found.value == "g6e.xlarge"
    assert found.usd_per_hour_more == pytest.approx(1.861 - 0.8048)
    assert "+1.06 USD/h" in found.text


def test_nothing_is_offered_for_what_no_single_change_saves() -> None:
    assert smallest_changes(request("moonshotai/Kimi-K2-Instruct"), catalogue()["g6.xlarge"]) == ()
