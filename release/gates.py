"""What a new version must pass before it gets any traffic: an answer, and as good answers as the old one's.

Quality is compared on the same prompts (an exact paired test, McNemar's): of the prompts that just one of the
two got right, half would be each one's if they were equally good.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from scipy.stats import binomtest

from release.errors import ReleaseError
from release.world import World

Gate = Callable[[World], str]
"""Why a version is not fit for traffic; empty if it is. Raises ReleaseError where that cannot be told."""
SMOKE_PROMPT, SMOKE_TOKENS = "Say hello.", 4


class Case(BaseModel):
    """A prompt, and how one knows a right answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prompt: Annotated[str, Field(min_length=1)]
    expect: Annotated[str, Field(min_length=1)]
    """Regular expression that a right answer has somewhere."""
    max_tokens: Annotated[int, Field(ge=1)] = 256

    def is_right(self, answer: str) -> bool:
        """Whether an answer is right."""
        return re.search(self.expect, answer) is not None


def read_cases(path: Path) -> tuple[Case, ...]:
    """Read a YAML list of cases. Raises ReleaseError with everything that is wrong with it."""
    try:
        cases = TypeAdapter(tuple[Case, ...]).validate_python(
            yaml.safe_load(path.read_text(encoding="utf-8"))
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise ReleaseError(f"{path}: cannot be read ({' '.join(str(problem).split())[:300]})") from None
    except ValidationError as problem:
        told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problem.errors()]
        raise ReleaseError(f"{path}: {'; '.join(told)}") from None
    wrong = []
    for number, case in enumerate(cases):
        try:
            re.compile(case.expect)
        except re.error as problem:
            wrong.append(f"{number}.expect: {problem}")
    if wrong or not cases:
        raise ReleaseError(f"{path}: {'; '.join(wrong) or 'has no case'}")
    return cases


def smoke_gate(version: str) -> Gate:
    """The version answers at all."""

    def gate(world: World) -> str:
        answer = world.answer(version, SMOKE_PROMPT, SMOKE_TOKENS)
        return "" if answer else f"{version} gave an empty answer"

    return gate


def quality_gate(old: str, new: str, cases: Sequence[Case], alpha: float) -> Gate:
    """The new version is not shown to be worse than the old one on the same prompts."""

    def gate(world: World) -> str:
        pairs = [
            tuple(
                case.is_right(world.answer(version, case.prompt, case.max_tokens)) for version in (old, new)
            )
            for case in cases
        ]
        lost = sum(was and not now for was, now in pairs)
        won = sum(now and not was for was, now in pairs)
        if not lost or (chance := binomtest(lost, lost + won, 0.5, "greater").pvalue) >= alpha:
            return ""
        return (
            f"{new} fails {lost} of {len(cases)} prompts that {old} gets right, and gets {won} right that it "
            f"fails: chance {chance:.2g} < {alpha:g} if they were equally good"
        )

    return gate
