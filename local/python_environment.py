"""A program's own Python environment below `.local`: its pins cannot live beside ours. Kept by `down`."""

import hashlib
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from local.errors import LocalError

STAMP = ".made-from"


def install(program: str, folder: Path, requirements: Path, console: Console) -> None:
    """Install pinned, hashed requirements into a folder of their own, unless that is done.

    Dependencies are not resolved: the pins are complete. Raises LocalError with pip's own words if it fails.
    """
    wanted = f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {platform.python_version()}"
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    packages = requirements.read_text(encoding="utf-8").count("==")
    console.print(f"  installing {program} and what it needs ({packages} packages), a minute at most")
    started = time.monotonic()
    if folder.is_dir():
        shutil.rmtree(folder)
    _run(program, sys.executable, "-m", "venv", str(folder))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(program, *pip, "--require-hashes", "--no-deps", "-r", str(requirements))
    stamp.write_text(wanted, encoding="utf-8")
    took = f"{time.monotonic() - started:.0f} s"
    console.print(f"  installed in {took}, kept in .local/{folder.name}", highlight=False)


def _run(program: str, *command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        tail = "\n".join((result.stderr or result.stdout).strip().splitlines()[-8:])
        raise LocalError(f"{program} could not be installed:\n{tail}")
