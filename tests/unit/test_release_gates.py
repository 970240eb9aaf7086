"""Gates before traffic: files of prompts, and when worse answers are more than chance."""

from pathlib import Path

import pytest

from release.errors import ReleaseError
from release.gates import Case, quality_gate, read_cases, smoke_gate
from tests.unit.release_world import FakeWorld


class Answers(FakeWorld):
    """Answers `right` for the first so many prompts, by version."""

    def __init__(self, folder: Path, **right: set[int]) -> None:
        super().__init__(folder / "none")
        self.right = right

    def answer(self, version: str, prompt: str, max_tokens: int) -> str:
        del max_tokens
        return "right" if int(prompt) in self.right[version] else "wrong"


CASES = [Case(prompt=str(n), expect="^right$") for n in range(20)]


@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        (set(range(20)), set(range(20)), True),
        (set(range(20)), set(range(16)), True),  # 4 of 4: chance 0.0625
        (set(range(20)), set(range(15)), False),  # 5 of 5: chance 0.031
        (set(range(10)), set(range(5, 15)), True),  # 5 lost, 5 won
        (set(range(5)), set(range(20)), True),
        (set(), set(), True),
    ],
)
def test_only_more_lost_prompts_than_chance_would_lose_are_refused(
    tmp_path: Path, old: set[int], new: set[int], passes: bool
) -> None:
    said = quality_gate("one", "two", CASES, 0.05)(Answers(tmp_path, one=old, two=new))
    assert (said == "") is passes, said


def test_an_empty_answer_fails_the_smoke_test(tmp_path: Path) -> None:
    world = FakeWorld(tmp_path / "none")
    assert smoke_gate("two")(world) == ""
    world.answers = {"two": ""}
    assert "empty" in smoke_gate("two")(world)


def test_prompts_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text('- {prompt: "2+2?", expect: "4"}\n- {prompt: "3+3?", expect: "6", max_tokens: 8}\n')
    cases = read_cases(path)
    assert [case.max_tokens for case in cases] == [256, 8]
    assert cases[0].is_right("it is 4.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "has no case"),
        ("- {prompt: x}", "0.expect"),
        ("- {prompt: x, expect: '(', max_tokens: 0}", "0.max_tokens"),
        ("- {prompt: x, expect: '('}", "0.expect: missing"),
        ("- {prompt: x, expct: y}", "0.expct"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_file_of_prompts_with_mistakes_is_refused_by_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match=words):
        read_cases(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_cases(tmp_path / "none.yaml")
