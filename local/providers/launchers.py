"""Writes the executables under which the engine finds the stand-ins on PATH."""

import shlex
from pathlib import Path

LAUNCHERS = {
    "pulumi-language-python": "local.providers.language_host",
    "pulumi-resource-kubernetes": "local.providers.kubernetes.provider",
}

REPOSITORY = Path(__file__).resolve().parents[2]


def write_launchers(folder: Path, python: Path) -> None:
    """Write one executable per stand-in into `folder`, to be run by `python` wherever it is started from.

    A `#!` line takes no spaces and, on Linux, 255 characters at most; so the shell hands over to python.
    `-P` keeps the folder in which the engine starts it from shadowing what the stand-in imports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in LAUNCHERS.items():
        code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from {module} import main; main()"
        launcher = folder / name
        launcher.write_text(
            f'#!/bin/sh\nexec {shlex.join([str(python), "-P", "-c", code])} "$@"\n', encoding="utf-8"
        )
        launcher.chmod(0o755)
