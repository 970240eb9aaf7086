"""A finding: what settings, checks and the planner say about a stack file."""

import difflib
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

INVALID_SETTING = "invalid-setting"
"""Id of errors about a setting itself: misspelt, out of range, naming what does not exist."""
RISKY_SETTING = "risky-setting"
"""Id of warnings about a setting itself."""


class Severity(StrEnum):
    """How much a finding weighs: an error stops preview and up, a warning is shown once."""

    ERROR = "error"
    WARNING = "warning"


class Finding(BaseModel):
    """One thing that is wrong or risky, where it is, and what would be right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")] = INVALID_SETTING
    """Which rule says so: stable, kebab-case, the name that waivers, tests and docs/rules.md use."""
    severity: Severity
    path: str
    """Dotted path of the setting, as in `models.chat.versions.v1.pool`."""
    message: str
    fix: str

    def __str__(self) -> str:
        """One line: `path: message; fix`."""
        return f"{self.path}: {self.message}; {self.fix}"


def error(path: str, message: str, fix: str, *, id: str = INVALID_SETTING) -> Finding:
    """Return an error finding."""
    return Finding(id=id, severity=Severity.ERROR, path=path, message=message, fix=fix)


def warning(path: str, message: str, fix: str, *, id: str = RISKY_SETTING) -> Finding:
    """Return a warning finding."""
    return Finding(id=id, severity=Severity.WARNING, path=path, message=message, fix=fix)


def nearest(word: str, known: Iterable[str]) -> str:
    """Tell what `word` may have meant: the nearest known word, else all of them if they are few."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if not words:
        return "none is declared"
    return f"known: {', '.join(words)}" if len(words) <= 40 else "remove it"
