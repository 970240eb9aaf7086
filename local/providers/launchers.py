"""Writes the executables under which the engine finds the stand-ins on PATH."""

import shlex
from collections.abc import Collection
from pathlib import Path

LAUNCHERS = {
    "pulumi-language-python": "local.providers.language_host",
    "pulumi-resource-kubernetes": "local.providers.kubernetes.provider",
    "pulumi-resource-aws": "local.providers.aws.provider",
    "aws": "local.providers.aws.eks_token",
}
COMPANIONS = {"aws": "pulumi-resource-aws"}
"""Programs that are there with a stand-in only: elsewhere they would hide the real ones."""

CLOUD_FOLDER = "LLMSERVE_AWS_CLOUD"
"""Environment variable that tells the aws stand-in where its account lies."""
REPOSITORY = Path(__file__).resolve().parents[2]


def write_launchers(folder: Path, python: Path, names: Collection[str]) -> None:
    """Write the executables of these stand-ins, and no others, into `folder`.

    They are run by `python` wherever they are started from.

    A `#!` line takes no spaces and, on Linux, 255 characters at most; so the shell hands over to python.
    The garbage collector rests during the imports, which it would slow by a tenth.
    `-P` keeps the folder in which the engine starts it from shadowing what the stand-in imports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in LAUNCHERS.items():
        if COMPANIONS.get(name, name) not in names:
            (folder / name).unlink(missing_ok=True)
            continue
        code = (
            f"import gc, sys; gc.disable(); sys.path.insert(0, {str(REPOSITORY)!r}); "
            f"from {module} import main; gc.enable(); main()"
        )
        launcher = folder / name
        launcher.write_text(
            f'#!/bin/sh\nexec {shlex.join([str(python), "-P", "-c", code])} "$@"\n', encoding="utf-8"
        )
        launcher.chmod(0o755)
