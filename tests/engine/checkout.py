"""A private checkout: this repository beside a `.local` of its own, driven as a user drives it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from local import plugins, processes
from local.engine import Engine, laptop_environment, with_plugins
from local.layout import Layout
from tests.stack_files import ROOT

UP_SECONDS = 300
"""Only so that nothing hangs for ever: a machine that has much else to do takes its time."""


@dataclass(frozen=True)
class Checkout:
    """A folder that has everything of the repository, and its own `.local`."""

    layout: Layout

    @property
    def home(self) -> Path:
        """Home folder of whoever runs it, so that a test sees what is written there."""
        return self.layout.root / "home"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `llmserve local` with these arguments; what it says comes by a pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", "llmserve", "local", *arguments],
            cwd=self.layout.root,
            env=os.environ | {"HOME": str(self.home), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run `llmserve local` to its end and return what it said."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=UP_SECONDS)
        assert process.returncode == status, said
        assert "Traceback" not in said
        return said

    def until(self, words: str, then: Callable[[subprocess.Popen[str]], None]) -> tuple[int, str]:
        """Run `up` with fake pods, do something once it prints `words`; return exit status and words."""
        process = self.start("up", "--fake-pods")
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if words in line:
                then(process)
                break
        said += process.communicate(timeout=UP_SECONDS)[0]
        assert words in said, said
        return process.returncode, said

    def engine(self) -> Engine:
        """Pulumi without plugins: enough for configuration and outputs."""
        return Engine(self.layout, laptop_environment(self.layout))

    def plugged_engine(self, *, with_aws: bool = False) -> Engine:
        """Pulumi with whoever answers for its plugins here; `up` or `preview` has been run before."""
        environment = laptop_environment(self.layout)
        answers = plugins.decide(self.layout, environment, retry=False, with_aws=with_aws)
        return Engine(self.layout, with_plugins(self.layout, environment, answers))

    def component(self, name: str) -> psutil.Process:
        """The running program of this name."""
        return processes.ours(self.layout.state)[name][0]


def make_checkout(folder: Path, programs: Path) -> Checkout:
    """Make a checkout in an empty folder; `run("down")` is the caller's to call."""
    layout = Layout(folder)
    layout.state.mkdir()
    layout.programs.symlink_to(programs)
    (folder / ".venv").symlink_to(sys.prefix)
    for path in ROOT.iterdir():
        if path.suffix == ".yaml":
            (folder / path.name).write_bytes(path.read_bytes())
        elif path.is_dir() and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    checkout = Checkout(layout)
    checkout.home.mkdir()
    # No download is tried: these tests are about the stand-ins, wherever they run.
    none = plugins.Plugins(official_language=False, official_kubernetes=False, official_aws=False)
    (layout.state / "plugins.json").write_text(json.dumps(asdict(none)))
    return checkout
