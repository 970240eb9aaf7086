"""Seeded mistakes in the AWS half are refused and named; variants that are right are not refused."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checking import check_settings
from planner.finding import Finding, Severity
from tests.stack_files import eks_valid, with_value

TODAY = date(2026, 11, 26)
HERE = Path(__file__).parent
MISTAKES: list[dict[str, Any]] = yaml.safe_load((HERE / "aws_mistakes.yaml").read_text("utf-8"))
VARIANTS: list[dict[str, Any]] = yaml.safe_load((HERE / "aws_variants.yaml").read_text("utf-8"))


def settings_of(row: dict[str, Any]) -> dict[str, Any]:
    raw = eks_valid()
    if row.get("production"):
        raw["environment"] = "production"
        raw["cluster"] |= {"deletion_protection": True}
    for path, value in row["set"].items():
        with_value(path, value, raw)
    return raw


def errors_of(row: dict[str, Any]) -> list[Finding]:
    return [f for f in check_settings(settings_of(row), TODAY)[1] if f.severity is Severity.ERROR]


@pytest.mark.parametrize("row", MISTAKES, ids=[row["what"] for row in MISTAKES])
def test_each_mistake_is_refused_by_the_setting_it_is_in(row: dict[str, Any]) -> None:
    errors = errors_of(row)
    told = [str(f) for f in errors]
    assert sorted(f.path for f in errors) == sorted([row["path"], *row.get("also", [])]), told
    assert any(f.path == row["path"] and row["fix"] in f"{f.message} {f.fix}" for f in errors), told


@pytest.mark.parametrize("row", VARIANTS, ids=[row["what"] for row in VARIANTS])
def test_no_variant_that_is_right_is_refused(row: dict[str, Any]) -> None:
    assert [str(f) for f in errors_of(row)] == []


def test_there_are_forty_of_each_and_no_two_alike() -> None:
    for rows in (MISTAKES, VARIANTS):
        assert len(rows) >= 40
        assert len({str(sorted(settings_of(row).items())) for row in rows}) == len(rows)


def test_the_settings_all_rows_start_from_are_right() -> None:
    assert errors_of({"set": {}}) == []
