"""What the planner finds stops the program before any resource, in its own words; its figures are outputs."""

from typing import Any

import pulumi
import pytest

from infra import program, settings
from tests.program.harness import Deployment, deploy
from tests.stack_files import secrets_for, stack_config, valid, with_value

V1 = "models.chat.versions.v1"


def run() -> None:
    for name, value in program.build(settings.load()).items():
        pulumi.export(name, value)


def deployed(raw: dict[str, Any], *, preview: bool = False) -> Deployment:
    return deploy(run, {"settings": raw}, secrets_for(raw), preview=preview)


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (f"{V1}.model", "Qwen/Qwen3-32B", f"{V1}: does not fit L4 of a g6.2xlarge"),
        (f"{V1}.startup_seconds", 60, f"{V1}.startup_seconds: leaves 60 s from container to ready"),
        (f"{V1}.drain_seconds", 10, f"{V1}.drain_seconds: gives answers in flight 10 s"),
        ("pools.l4.max", 2, "pools.l4.max: is 2: the fewest replicas need 3 GPUs on 3 nodes"),
        (
            "waivers",
            [{"rule": "no-such-rule", "reason": "none", "until": "2099-01-01"}],
            "waivers.no-such-rule: is not a rule",
        ),
    ],
)
def test_a_finding_stops_the_program_before_any_resource(
    path: str, value: Any, words: str, preview: bool
) -> None:
    registered = False

    def build() -> None:
        nonlocal registered
        loaded = settings.load()  # raises
        registered = True
        program.build(loaded)

    raw = with_value(path, value)
    with pytest.raises(pulumi.RunError) as stopped:
        deploy(build, {"settings": raw}, secrets_for(raw), preview=preview)
    assert "1 mistake in the stack file:" in str(stopped.value)
    assert words in str(stopped.value)
    assert not registered


def test_errors_of_the_planner_and_of_the_settings_are_told_together() -> None:
    raw = with_value(
        "models.chat.fallbacks", ["chat"], with_value("models.summary.versions.tgi.model", "Qwen/Qwen3-32B")
    )
    with pytest.raises(pulumi.RunError) as stopped:
        deployed(raw)
    lines = str(stopped.value).splitlines()
    assert lines[0] == "2 mistakes in the stack file:"
    assert "models.chat.fallbacks: names the model itself" in lines[1]
    assert "models.summary.versions.tgi: does not fit L4" in lines[2]


def test_a_checklist_rule_stops_production_and_a_waiver_lets_it_through() -> None:
    raw = with_value("gateway.cors_origins", ["*"], stack_config("prod"))
    with pytest.raises(pulumi.RunError, match=r"gateway\.cors_origins: lets every web page call"):
        deployed(raw)
    raw["waivers"].append({"rule": "cors-any-origin", "reason": "a public demo", "until": "2099-12-31"})
    waived = deployed(raw).outputs["waived"]
    assert any("cors_origins" in line and "a public demo" in line for line in waived)


def test_warnings_are_told_once_and_are_outputs() -> None:
    warnings = deployed(with_value("pools.l4.max", 5)).outputs["warnings"]
    assert len(warnings) == len(set(warnings))
    assert any(line.startswith("pools.l4.max: is 5: a rolling update") for line in warnings)


def test_memory_capacity_and_cost_are_outputs() -> None:
    outputs = deployed(valid()).outputs
    assert outputs["memory"]["chat/v1"]["verdict"] == "fits"
    assert outputs["capacity"]["pools"]["l4"]["nodes_needed"] == {"min": 3, "max": 5, "rolling": 6}
    assert outputs["cost"]["models"]["chat"]["gpus"] == {"min": 2, "max": 4}
