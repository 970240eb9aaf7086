"""Counts over both tables of the AWS half: mistakes of stack files, and of the inputs AWS gets.

A preview refuses by findings (infra/checks*) what a stack file says, and by validators (local/providers/aws)
what the program then hands to AWS. test_aws_mistakes.py and test_aws_validate.py hold each row to its words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from local.providers.aws.validate import validate
from planner.finding import Finding
from tests.unit import test_aws_mistakes as files
from tests.unit import test_aws_validate as inputs


@dataclass(frozen=True)
class Tried:
    """A row of a table, and what refused it."""

    what: str
    place: str
    """Setting or input that the mistake is in; "" where there is none, or nothing is expected to name it."""
    found: list[Finding]

    @property
    def is_refused_by_name(self) -> bool:
        """Whether a refusal names the setting itself, and not something above or beside it."""
        return self.place in {finding.path for finding in self.found}


def mistakes() -> Iterator[Tried]:
    for row in files.MISTAKES:
        yield Tried(row["what"], row["path"], files.errors_of(row))
    for row in inputs.MISTAKES:
        yield Tried(row["name"], row.get("at", ""), validate(row["type"], inputs.spoilt(row)))


def right() -> Iterator[Tried]:
    for row in files.VARIANTS:
        yield Tried(row["what"], "", files.errors_of(row))
    for row in inputs.GOOD:
        given = {key: value for key, value in row["good"].items() if value is not None}
        yield Tried(row["type"], "", validate(row["type"], given))


def test_at_least_37_of_40_seeded_mistakes_are_refused_with_words_that_name_the_setting() -> None:
    tried = list(mistakes())
    assert len(tried) >= 40
    missed = [row.what for row in tried if not row.is_refused_by_name]
    assert len(missed) / len(tried) <= 3 / 40, missed
    assert missed == [row["name"] for row in inputs.MISTAKES if row.get("gap")], "the table tells the gaps"


def test_none_of_40_right_variants_is_refused() -> None:
    tried = list(right())
    assert len(tried) >= 40
    assert {row.what: [str(finding) for finding in row.found] for row in tried if row.found} == {}
