"""The real pulumi program, with its state, secrets and plugins inside `.local`."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local import plugins, processes
from local.errors import LocalError
from local.layout import Layout
from local.private import write_private
from local.providers.launchers import CLOUD_FOLDER, write_launchers

PROJECT = "llmserve"
STACK = "local"
"""The one that runs on the laptop; its outputs say what there is."""


class Engine:
    """pulumi with the laptop's environment."""

    def __init__(self, layout: Layout, environment: Mapping[str, str]) -> None:
        self.layout = layout
        self.environment = dict(environment)

    def read(self, *arguments: str, stdin: str | None = None, cwd: Path | None = None) -> str:
        """Run pulumi quietly and return what it prints; raise LocalError with its own words."""
        try:
            result = subprocess.run(
                [self.layout.programs / "pulumi", "--non-interactive", *arguments],
                cwd=cwd or self.layout.root,
                env=self.environment,
                input=stdin or "",
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise LocalError("pulumi is not in .local/bin; run `make tools`") from None
        if result.returncode != 0:
            raise LocalError(f"pulumi {arguments[0]}: {(result.stderr or result.stdout).strip()}")
        return result.stdout

    def stream(self, *arguments: str, log: Path | None = None) -> int:
        """Run pulumi with its output shown, or kept in `log`; return its exit status.

        Ctrl-C reaches pulumi exactly once, wherever it came from, because pulumi is a process group of its
        own. It then finishes what is under way, and KeyboardInterrupt is raised; a second Ctrl-C ends it.
        """
        if log:
            log.parent.mkdir(exist_ok=True)
        output = log.open("w", encoding="utf-8") if log else None
        try:
            process = subprocess.Popen(
                [self.layout.programs / "pulumi", "--non-interactive", *arguments],
                cwd=self.layout.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                process_group=0,
            )
            return _wait(process)
        finally:
            if output:
                output.close()

    def restore_checkpoint(self, stack: str) -> str | None:
        """Put the last whole state in place of one that a killed pulumi left half written; say so.

        Raises LocalError if there is none. What was made since is taken over by the next `up`.
        """
        for attributes in (self.layout.backend / ".pulumi").rglob("*.attrs"):
            # Only a content type. Pulumi reads a file without one, but says EOF where this one is empty.
            if not _is_whole(attributes):
                attributes.unlink()
        state = self.layout.backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"
        kept = state.with_name(f"{state.name}.bak")
        if _is_whole(state) or not (state.exists() or kept.exists()):
            return None
        if not _is_whole(kept):
            raise LocalError(f"pulumi's state of stack {stack} cannot be read; `make down` begins anew")
        for path in (kept, kept.with_name(f"{kept.name}.attrs")):
            if path.exists():
                shutil.copyfile(path, path.with_name(path.name.replace(".bak", "")))
        return "state: an earlier run was killed while it wrote; the last whole state was put back"

    def release_stale_lock(self, stack: str) -> str | None:
        """Remove the lock of a pulumi that was killed; return a line that says so.

        Raises LocalError if its owner still works.
        """
        folder = self.layout.backend / ".pulumi" / "locks" / "organization" / PROJECT / stack
        locks = list(folder.glob("*.json"))
        pids = [json.loads(path.read_text(encoding="utf-8"))["pid"] for path in locks if _is_whole(path)]
        working = [pid for pid in pids if processes.is_running(pid, "pulumi")]
        if working:
            raise LocalError(
                f"another pulumi (pid {working[0]}) is at work on stack {stack}; wait until it has ended"
            )
        if not locks:
            return None
        self.read("cancel", "--yes", "--stack", stack)
        owner = f"pid {pids[0]}" if pids else "killed while it wrote its lock"
        return f"lock: the pulumi of an earlier run ({owner}) is gone, its lock was removed"


def laptop_environment(layout: Layout) -> dict[str, str]:
    """Return the environment of every pulumi of the laptop: no PULUMI_* variable of the user's gets in."""
    layout.backend.mkdir(parents=True, exist_ok=True)
    if not layout.passphrase.is_file():
        write_private(layout.passphrase, secrets.token_urlsafe(32))
    # Compiled files of this checkout save a second of every run, whatever the user's shell says of them.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PULUMI_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return (
        inherited
        | processes.mark(layout.state)
        | {
            "KUBECONFIG": str(layout.state / "kubeconfig"),
            "PATH": os.pathsep.join([str(layout.programs), os.environ.get("PATH", os.defpath)]),
            "PULUMI_BACKEND_URL": layout.backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(layout.passphrase),
            "PULUMI_HOME": str(layout.state / "pulumi"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
    )


def with_plugins(layout: Layout, environment: Mapping[str, str], answers: plugins.Plugins) -> dict[str, str]:
    """Put the stand-ins that are needed first on PATH, and only those."""
    if not answers.stand_ins:
        return dict(environment)
    write_launchers(layout.plugins, Path(sys.executable), answers.stand_ins)
    return {
        **environment,
        CLOUD_FOLDER: str(layout.cloud),
        "PATH": os.pathsep.join([str(layout.plugins), environment["PATH"]]),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _is_whole(path: Path) -> bool:
    """Whether a file of pulumi's backend was written to its end."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _wait(process: subprocess.Popen[bytes]) -> int:
    interrupts = 0
    while True:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            interrupts += 1
            process.send_signal(signal.SIGINT)
            continue
        if interrupts:
            raise KeyboardInterrupt
        return status
