"""Mistakes in an engine's settings, from engine_mistakes.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.engines import adapter
from components.engines.checks import engine_findings
from components.spec import EngineName
from tests.unit.strategies import ENGINES, engine_spec

MISTAKES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("engine_mistakes.yaml").read_text(encoding="utf-8")
)
TGI_WARNING = (
    "warning p.engine: TGI is in maintenance mode since 2025-12-11; prefer vllm or sglang for new models"
)


def said(engine: EngineName, fields: dict[str, Any]) -> list[str]:
    found = engine_findings(adapter(engine), engine_spec(engine, **fields), "p")
    return [f"{f.severity} {f}" for f in found if f"{f.severity} {f}" != TGI_WARNING]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m["says"])
def test_a_mistake_is_found_and_its_neighbour_is_not(mistake: dict[str, Any]) -> None:
    assert said(mistake["engine"], mistake["wrong"]) == [mistake["says"]]
    assert said(mistake["engine"], mistake["right"]) == []


def test_tgi_says_that_it_is_in_maintenance_mode_and_no_other_engine_does() -> None:
    warned = [
        engine
        for engine in ENGINES
        if TGI_WARNING
        in [f"{f.severity} {f}" for f in engine_findings(adapter(engine), engine_spec(engine), "p")]
    ]
    assert warned == ["tgi"]


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {
        "image": "x",
        "max_input_tokens": 1,
        "flags": {"swap-space": 1, "zzz": 1},
        "env": {"HF_HOME": "x"},
    }
    assert len(said("vllm", wrong)) == 5
