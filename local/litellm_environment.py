"""LiteLLM's own Python environment: its pins cannot live beside ours. Made once, kept by `down`."""

import hashlib
import platform
import shutil
import subprocess
import sys
import time

from rich.console import Console

from local.errors import LocalError
from local.layout import Layout

STAMP = ".made-from"


def install(layout: Layout, console: Console) -> None:
    """Install the pinned, hashed requirements into `.local/litellm`, unless that is done.

    Raises LocalError with pip's own words if it fails.
    """
    requirements = layout.root / "requirements" / "litellm.txt"
    wanted = f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {platform.python_version()}"
    stamp = layout.litellm / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    packages = requirements.read_text(encoding="utf-8").count("==")
    console.print(f"  installing LiteLLM and what it needs ({packages} packages), about a minute")
    started = time.monotonic()
    if layout.litellm.is_dir():
        shutil.rmtree(layout.litellm)
    _run(sys.executable, "-m", "venv", str(layout.litellm))
    pip = [str(layout.litellm / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    # The resolver finds no answer for what LiteLLM asks of certifi; the pins are complete without it.
    _run(*pip, "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(requirements))
    stamp.write_text(wanted, encoding="utf-8")
    console.print(
        f"  installed in {time.monotonic() - started:.0f} s, kept in .local/litellm", highlight=False
    )


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        tail = "\n".join((result.stderr or result.stdout).strip().splitlines()[-8:])
        raise LocalError(f"LiteLLM could not be installed:\n{tail}")
