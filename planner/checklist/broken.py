"""What a rule of the checklist yields: where it is broken, how, and what to do; not how much that weighs."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from planner.checklist.facts import StackFacts


class Broken(NamedTuple):
    """One place where a rule is broken."""

    path: str
    message: str
    fix: str


Check = Callable[[StackFacts], Iterator[Broken]]
