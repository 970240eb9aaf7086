"""Engine advice: the source documents' rules, what has changed since, and why."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.engines import adapter, default_version
from components.engines.table import table
from planner import engine_advice
from planner.catalogue import chips
from planner.engine_advice import Advice, Situation, advise, engine_profiles, notes

DATA = yaml.safe_load((Path(engine_advice.__file__).parent / "data/engine_advice.yaml").read_text("utf-8"))


def situation(**fields: Any) -> Situation:
    return Situation(**{"users": 20, "parameters_billion": 8, "chip": "L4"} | fields)


def of(engine: str, asked: Situation) -> Advice:
    return next(advice for advice in advise(asked) if advice.engine == engine)


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        # requirements.md B1
        ({"users": 5, "weights_gb": 8, "place": "local"}, "ollama"),
        ({"users": 10}, "vllm"),
        ({"users": 7, "ecosystem": "hugging-face", "preset": "textbook"}, "tgi"),
        # and what has changed since: TGI is in maintenance mode
        ({"users": 7, "ecosystem": "hugging-face"}, "vllm"),
        ({"users": 200, "first": "latency"}, "sglang"),
        ({"users": 200, "first": "latency", "ecosystem": "nvidia", "chip": "H100"}, "tensorrt-llm"),
        ({"users": 2, "chip": None, "place": "local"}, "ollama"),
        ({"users": 30, "gguf": True, "place": "local"}, "sglang"),
        ({"users": 3, "parameters_billion": 70, "first": "cost"}, "vllm"),
    ],
)
def test_the_first_engine_is_the_one_for_the_situation(fields: dict[str, Any], first: str) -> None:
    assert advise(situation(**fields))[0].engine == first


def test_every_engine_is_ranked_with_reasons_and_those_that_cannot_be_used_come_last() -> None:
    ranked = advise(situation(chip="T4"))

    assert {advice.engine for advice in ranked} == set(engine_profiles())
    assert [advice.engine for advice in ranked if not advice.suited] == ["tensorrt-llm", "tgi"]
    assert [advice.suited for advice in ranked] == sorted((a.suited for a in ranked), reverse=True)
    assert of("tgi", situation(chip="T4")).against[0].startswith("its kernels are built for")


def test_reasons_name_the_number_they_rest_on() -> None:
    assert of("vllm", situation(users=42)).reasons[0] == "42 users at once: it batches them (B1, 10 or more)"


def test_a_deprecation_is_said_whatever_the_rank() -> None:
    for preset in ("current", "textbook"):
        said = of("tgi", situation(preset=preset)).deprecated
        assert said == "in maintenance mode since 2025-12-11; its README recommends vLLM and SGLang"
    assert of("vllm", situation()).deprecated is None


def test_the_points_are_the_sum_of_what_is_said() -> None:
    # many 5 + some 2 + production 3 + throughput 2 + streaming 1
    assert of("vllm", situation()).points == 13
    assert len(of("vllm", situation()).reasons) == 5


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"weights_gb": 25, "gpu_memory_gib": 22}, "weights of 25 GB do not fit 22 GiB"),
        ({"parameters_billion": 14, "gpu_memory_gib": 22}, "weights of 28 GB do not fit 22 GiB"),
        ({"chip": "T4"}, "T4 has no bfloat16"),
        ({"users": 1}, "an external provider may cost less"),
        ({"weights_gb": 9, "gpu_memory_gib": 22}, None),
    ],
)
def test_notes_say_what_no_engine_changes(fields: dict[str, Any], said: str | None) -> None:
    found = " ".join(notes(situation(**fields)))
    assert (said in found) if said else not found


@given(st.integers(1, 500), st.floats(0.5, 700), st.sampled_from([None, *sorted(chips())]), st.booleans())
def test_there_is_always_an_engine_that_can_be_used(
    users: int, billion: float, chip: str | None, gguf: bool
) -> None:
    best = advise(situation(users=users, parameters_billion=billion, chip=chip, gguf=gguf))[0]
    assert best.suited


def test_the_table_has_the_engines_that_can_be_deployed() -> None:
    for engine in engine_profiles():
        assert adapter(engine).engine == engine  # type: ignore[arg-type]


def test_what_bars_a_chip_agrees_with_the_engines_flag_tables() -> None:
    for engine in engine_profiles():
        known = table(engine).versions[default_version(engine)]  # type: ignore[arg-type]
        for name, chip in chips().items():
            if float(chip.compute_capability) < float(known.min_compute_capability):
                assert not of(engine, situation(chip=name)).suited, (engine, name)


def test_every_criterion_of_the_data_is_known_and_every_known_one_is_used() -> None:
    used = {row["when"] for row in DATA["points"] + DATA["excluded"]}
    assert used == set(engine_advice._CRITERIA)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters_billion": None}, "give parameters_billion or weights_gb"),
        ({"chip": "L5"}, "'L5' is not a chip of the catalogue"),
        ({"users": 0}, "greater than or equal to 1"),
    ],
)
def test_a_situation_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        situation(**fields)
