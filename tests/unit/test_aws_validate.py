"""Mistakes in AWS inputs are refused with words that name the input; what is right passes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.providers.aws.validate import validate
from local.providers.protocol import UNKNOWN

TABLE = yaml.safe_load(Path(__file__).with_name("aws_input_mistakes.yaml").read_text(encoding="utf-8"))
MISTAKES = TABLE["mistakes"]
GOOD = [*({(row["type"], repr(row["good"])): row for row in MISTAKES}.values()), *TABLE["more_good"]]


def spoilt(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (row["good"] | row["bad"]).items() if value is not None}


@pytest.mark.parametrize("row", [row for row in MISTAKES if not row.get("gap")], ids=lambda row: row["name"])
def test_a_mistake_is_refused_at_its_place(row: dict[str, Any]) -> None:
    found = {finding.path: str(finding) for finding in validate(row["type"], spoilt(row))}
    assert row["at"] in found, found
    assert row["says"] in found[row["at"]]


def test_at_least_37_of_the_40_seeded_mistakes_are_refused() -> None:
    assert len(MISTAKES) == 40
    missed = [row["name"] for row in MISTAKES if not validate(row["type"], spoilt(row))]
    assert missed == [row["name"] for row in MISTAKES if row.get("gap")], "the table tells the gaps"
    assert len(missed) <= 3


def test_none_of_40_good_resources_is_refused() -> None:
    assert len(GOOD) >= 40
    for row in GOOD:
        inputs = {key: value for key, value in row["good"].items() if value is not None}
        assert not validate(row["type"], inputs), row["type"]


@pytest.mark.parametrize("row", GOOD, ids=lambda row: row["type"].rpartition(":")[2])
def test_what_is_not_known_yet_passes(row: dict[str, Any]) -> None:
    assert not validate(row["type"], dict.fromkeys(row["good"], UNKNOWN))


def test_a_resource_that_the_sdk_lacks_is_refused() -> None:
    (finding,) = validate("aws:eks/cluster:Clustr", {})
    assert "no such resource" in str(finding)


def test_a_secret_that_does_not_fit_is_not_shown() -> None:
    (finding,) = validate(
        "aws:secretsmanager/secretVersion:SecretVersion", {"secretId": "s", "secretString": ""}
    ) or [None]
    assert finding is None or "''" not in str(finding)


def test_tags_have_limits_too() -> None:
    found = validate("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"aws:x": "1", "k" * 129: "v"}})
    assert len(found) == 2
    many = {str(number): "" for number in range(51)}
    (finding,) = validate("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "tags": many})
    assert "at most 50" in str(finding)
