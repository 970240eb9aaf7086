"""A finding carries a stable id beside severity, path, message and fix."""

import pytest
from pydantic import ValidationError

from planner.finding import Finding, Severity, error, warning


def test_findings_about_settings_need_no_id_of_their_own() -> None:
    assert error("a", "b", "c").id == "invalid-setting"
    assert warning("a", "b", "c").id == "risky-setting"


def test_a_rule_names_its_findings() -> None:
    found = error("models.chat.versions.v1.drain_seconds", "is 300", "lower it", id="drain-exceeds-grace")

    assert found.model_dump(mode="json") == {
        "id": "drain-exceeds-grace",
        "severity": "error",
        "path": "models.chat.versions.v1.drain_seconds",
        "message": "is 300",
        "fix": "lower it",
    }


def test_the_id_is_not_part_of_what_a_person_reads() -> None:
    assert str(warning("a", "is b", "make it c", id="some-rule")) == "a: is b; make it c"


@pytest.mark.parametrize("name", ["Drain", "drain_exceeds", "drain-", "-drain", "drain exceeds", ""])
def test_an_id_that_is_not_kebab_case_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Finding(id=name, severity=Severity.ERROR, path="a", message="b", fix="c")
