"""The record of one release: a JSON file that tells where it is at any moment, kept with the repository.

It is written before and after each move, so that a release that was killed anywhere can be taken up again.
"""

import fcntl
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.stackfile.releases import Strategy
from release import stack_file
from release.analysis import Verdict
from release.errors import ReleaseError

FOLDER = "releases"
Outcome = Literal["promoted", "returned", "compared", "rolled_back", "abandoned"]
Phase = Literal["deploying", "moving", "watching", "returning", "ended"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Figures(_Record):
    """One version at one look; None = not known."""

    requests: float
    errors: float
    ttft_p50_seconds: float | None = None
    ttft_p95_seconds: float | None = None
    tpot_p50_seconds: float | None = None
    tpot_p95_seconds: float | None = None


class Look(_Record):
    """One verdict and what it rests on."""

    at: datetime
    step: int
    weight: int
    elapsed_seconds: float
    verdict: Verdict
    reason: str
    old: Figures | None
    new: Figures | None
    probes: int = 0
    """Requests of our own to each version so far in this step."""


class Event(_Record):
    """Something that was done or happened."""

    at: datetime
    what: str


class Release(_Record):
    """One release from its first move to its end."""

    stack: str
    model: str
    old: str
    new: str
    strategy: Strategy | Literal["rollback"]
    steps: list[tuple[int, Literal["versions", "failures"]]]
    before: dict[str, int]
    """Weights when it began: where a return goes."""
    who: str
    why: str = ""
    started: datetime
    phase: Phase = "deploying"
    step: int = 0
    """Place in `steps` of the one that is under way."""
    weights: dict[str, int]
    """What the stack file has, or is about to get in the phases moving and returning."""
    digest: str
    """Of the stack file as this release last left it."""
    previous: list[tuple[dict[str, Any], dict[str, Any]]] = Field(default_factory=list)
    """Counts of both versions at the end of the judged steps so far."""
    looks: list[Look] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    outcome: Outcome | None = None
    reason: str = ""
    """Why it ended so."""

    @property
    def name(self) -> str:
        """Of its file: sorts by time."""
        return f"{self.started:%Y%m%dT%H%M%SZ}-{self.model}-{self.new}"


class Journal:
    """All releases of one stack: `releases/<stack>/*.json` beside the stack file."""

    def __init__(self, root: Path, stack: str) -> None:
        self.folder = root / FOLDER / stack

    def save(self, release: Release) -> Path:
        """Write a release whole; return its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{release.name}.json"
        stack_file.write(path, release.model_dump_json(indent=1) + "\n")
        return path

    def releases(self, model: str) -> list[Release]:
        """Releases of a model, oldest first. Raises ReleaseError for a file that is no record."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                release = Release.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as problem:
                words = " ".join(str(problem).split())[:200]
                raise ReleaseError(f"{path}: is no release's record ({words}); mend or remove it") from None
            if release.model == model:
                found.append(release)
        return found

    def open_release(self, model: str) -> Release | None:
        """The one that has not ended; None if there is none."""
        return next((one for one in reversed(self.releases(model)) if one.outcome is None), None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the stack's lock; it goes with the process, however that ends.

        Raises ReleaseError if another promoter has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text(".lock\n.gitignore\n", encoding="utf-8")
        with (self.folder / ".lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise ReleaseError(
                    f"another promoter ({file.read().strip() or 'unknown'}) is at work on stack "
                    f"{self.folder.name}; wait until it has ended"
                ) from None
            file.truncate(0)
            file.write(f"pid {os.getpid()}")
            file.flush()
            yield


def now() -> datetime:
    """This machine's time, for the record only."""
    return datetime.now(UTC).replace(microsecond=0)


def whoever() -> str:
    """Who runs this: git's address, else the login name."""
    git = shutil.which("git") or "git"
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(
            [git, "config", "user.email"], capture_output=True, text=True, check=False, timeout=5
        )
        if asked.stdout.strip():
            return asked.stdout.strip()
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return "unknown"
