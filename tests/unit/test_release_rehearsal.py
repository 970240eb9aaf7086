"""The rehearsal's copy of a stack file, and the report of a release."""

from pathlib import Path

import pytest
import yaml

from infra.checking import check_stack_file
from llmserve.rehearsal import SPREAD, parse_fault, rehearsal_file, write_copy
from release.errors import ReleaseError
from release.journal import Event, Figures, Look, Release, now
from release.report import markdown
from tests.stack_files import ROOT

COMMITTED = (ROOT / "Pulumi.local.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("none", {}),
        ("ttft=3", {"SIM_TTFT_SECONDS": "0.3", "SIM_TTFT_JITTER_SECONDS": "0.15"}),
        ("tpot=2", {"SIM_TPOT_SECONDS": "0.05", "SIM_TPOT_JITTER_SECONDS": "0.02"}),
        ("errors=0.1", {"SIM_ERROR_RATE": "0.1"}),
        ("leak", {"SIM_SLOWING_PER_MINUTE": "1"}),
        ("crash", {"SIM_CRASH_SECONDS": "10"}),
    ],
)
def test_a_fault_goes_to_the_new_version_alone(text: str, variables: dict[str, str]) -> None:
    copy = yaml.safe_load(rehearsal_file(COMMITTED, "chat", "qwen3-8b-fp8", parse_fault(text)))
    versions = copy["config"]["llmserve:settings"]["models"]["chat"]["versions"]
    assert versions["qwen3-8b-fp8"]["env"] == {**SPREAD, **variables}
    assert versions["qwen3-8b"]["env"] == SPREAD


def test_versions_that_share_an_anchor_do_not_share_the_fault() -> None:
    shared = (ROOT / "tests" / "e2e" / "rehearsal.yaml").read_text(encoding="utf-8")
    copy = yaml.safe_load(rehearsal_file(shared, "chat", "two", parse_fault("errors=0.2")))
    versions = copy["config"]["llmserve:settings"]["models"]["chat"]["versions"]
    assert "SIM_ERROR_RATE" in versions["two"]["env"]
    assert "SIM_ERROR_RATE" not in versions["one"]["env"]


def test_the_copy_changes_waits_and_no_threshold_and_is_a_valid_stack_file(tmp_path: Path) -> None:
    text = rehearsal_file(COMMITTED, "chat", "qwen3-8b-fp8", parse_fault("none"))
    found = check_stack_file(write_copy(tmp_path, text))
    assert found.settings is not None
    assert not found.errors
    analysis = yaml.safe_load(text)["config"]["llmserve:settings"]["models"]["chat"]["release"]["analysis"]
    assert all(name.endswith("_seconds") for name in analysis)


@pytest.mark.parametrize("text", ["tttf=2", "ttft=quick", "ttft=0", "errors=2", "errors=-1", ""])
def test_a_fault_that_is_misspelt_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match="--inject"):
        parse_fault(text)


def test_the_report_tells_figures_of_both_versions_and_draws_them() -> None:
    figures = Figures(requests=200, errors=1, ttft_p50_seconds=0.1, ttft_p95_seconds=0.2)
    looks = [
        Look(
            at=now(),
            step=0,
            weight=50,
            elapsed_seconds=30.0 * n,
            verdict="wait",
            reason="not yet",
            old=figures,
            new=figures.model_copy(update={"ttft_p95_seconds": 0.4}),
        )
        for n in range(3)
    ]
    release = Release(
        stack="prod",
        model="chat",
        old="one",
        new="two",
        strategy="canary",
        steps=[(50, "versions")],
        before={"one": 100},
        who="somebody",
        started=now(),
        weights={"one": 100},
        digest="",
        looks=looks,
        events=[Event(at=now(), what="stack file: one 50 %, two 50 %")],
        outcome="returned",
        reason="TTFT: canary slower",
    )
    text = markdown(release)
    assert "# chat: one to two on prod: returned" in text
    assert "| 1 | 50 | 60 | wait | two | 200 | 1 | 0.10/0.40 | -/- |" in text
    assert "line [0.4, 0.4, 0.4]" in text
    assert "TPOT p95" not in text.replace("TPOT p50/p95", ""), "what is not known is not drawn"
