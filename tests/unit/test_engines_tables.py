"""The flag tables: what was read from the releases is whole and holds together."""

import pytest

from components.engines import adapter
from components.engines.table import Release, table
from components.spec import EngineName
from tests.unit.strategies import ENGINES

RELEASES = [(engine, version) for engine in ENGINES for version in table(engine).versions]


def known(engine: EngineName, version: str) -> Release:
    return table(engine).versions[version]


@pytest.mark.parametrize(("engine", "version"), RELEASES)
def test_a_table_holds_together(engine: EngineName, version: str) -> None:
    flags = known(engine, version).flags
    assert set(known(engine, version).deprecated) <= set(flags), "deprecated flags still work"
    assert set(known(engine, version).aliases.values()) <= set(flags)
    assert not set(known(engine, version).aliases) & set(flags)
    assert known(engine, version).source


@pytest.mark.parametrize(("engine", "version"), RELEASES)
def test_all_that_an_adapter_copies_is_in_the_table(engine: EngineName, version: str) -> None:
    assert set(adapter(engine).fields.values()) <= set(known(engine, version).flags)


@pytest.mark.parametrize(("engine", "version"), RELEASES)
def test_an_official_image_carries_its_release_in_the_tag(engine: EngineName, version: str) -> None:
    assert known(engine, version).image.rsplit(":", 1)[1].removeprefix("v") == version


@pytest.mark.parametrize("engine", ENGINES)
def test_the_default_release_is_in_the_table_and_has_no_removed_flag(engine: EngineName) -> None:
    default = known(engine, table(engine).default)
    assert not set(table(engine).removed) & set(default.flags)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_successor_of_a_removed_flag_exists(engine: EngineName) -> None:
    default = known(engine, table(engine).default)
    for flag, successor in table(engine).removed.items():
        words = [] if successor.startswith("nothing") else successor.split(" and ")
        assert set(words) <= set(default.flags), flag


def test_the_number_of_flags_is_that_of_the_releases_read() -> None:
    assert {f"{e} {v}": len(known(e, v).flags) for e, v in RELEASES} == {
        "vllm 0.33.0": 320,
        "vllm 0.28.0": 284,
        "vllm 0.21.0": 247,
        "tgi 3.3.7": 53,
        "ollama 0.32.15": 24,
        "sglang 0.5.23": 531,
        "tensorrt-llm 1.2.1": 33,
    }


def test_kinds_are_those_of_the_argument_definitions() -> None:
    flags = known("vllm", "0.33.0").flags
    assert flags["enable-prefix-caching"] == "switch"
    assert flags["headless"] == "bare"
    assert flags["max-model-len"] == "value"
    assert flags["hf-token"] == "optional"


def test_an_older_release_has_what_was_removed_since_and_not_what_came_later() -> None:
    old, new = known("vllm", "0.21.0"), known("vllm", "0.33.0")
    assert "max-num-partial-prefills" in old.flags
    assert "max-num-partial-prefills" not in new.flags
    assert "max-num-queued-reqs" not in old.flags
    assert "gguf" in old.quantization
    assert "gguf" not in new.quantization
    assert new.min_compute_capability == old.min_compute_capability == 7.5
