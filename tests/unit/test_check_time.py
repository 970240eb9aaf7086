"""A check stays quick: generous bounds in processor time, so that it cannot silently rot (`make bench`)."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.checking import check_stack_file
from tests.bench import check, settings_with, write_stack_file
from tests.stack_files import ROOT

HEAVY = ("pulumi", "pulumi_aws", "pulumi_kubernetes", "kubernetes", "aiohttp", "grpc", "local", "one_machine")


def processor_seconds(path: Path) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        check(path)
        best = min(best, time.process_time() - start)
    return best


def test_a_further_model_costs_little(tmp_path: Path) -> None:
    few, many = tmp_path / "Pulumi.few.yaml", tmp_path / "Pulumi.many.yaml"
    write_stack_file(few, settings_with(10))
    write_stack_file(many, settings_with(60))
    check(few)  # data files are read once
    per_model = (processor_seconds(many) - processor_seconds(few)) / 50
    assert per_model < 0.008, "bar: 2 ms; four times as much on a machine that is busy"


@pytest.mark.parametrize("stack", ["prod"])
def test_one_stacks_findings_take_a_moment(stack: str) -> None:
    path = ROOT / f"Pulumi.{stack}.yaml"
    check_stack_file(path)
    start = time.process_time()
    check_stack_file(path)
    assert time.process_time() - start < 0.4, "bar: 0.2 s"


def test_the_check_brings_neither_pulumi_nor_the_laptop_with_it() -> None:
    program = f"import sys, llmserve.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
