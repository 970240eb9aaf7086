"""The allow-list of images and the local programs that stand for them."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

import local
from local.node.api import Json

ROOT = Path(local.__file__).parent.parent
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class ImageError(Exception):
    """What the kubelet calls ErrImagePull."""


@dataclass(frozen=True)
class Image:
    """What an image is on this machine."""

    entrypoint: tuple[str, ...]
    environment: dict[str, str]
    """All a pod gets besides its manifest's."""


class Images:
    """images.yaml, read once. `folder` gets a small launcher per program, first on the pods' PATH.

    `instead` names programs of this machine that are run in place of the table's.
    """

    def __init__(self, table: Path, folder: Path, instead: Mapping[str, str]) -> None:
        self._instead = instead
        self._rows: list[Json] = yaml.safe_load(table.read_text("utf-8"))["images"]
        self._folder = folder

    def find(self, name: str) -> Image:
        """Return the image; raise ImageError, naming all there are, if it is not in the list."""
        for number, row in enumerate(self._rows):
            if found := re.fullmatch(row["match"], name):
                return self._image(self._folder / str(number), row, found.groupdict())
        allowed = ", ".join(row["name"] for row in self._rows)
        raise ImageError(f"image {name} stands for no local program; the laptop runs these only: {allowed}")

    def _image(self, folder: Path, row: Json, groups: Mapping[str, str | None]) -> Image:
        folder.mkdir(parents=True, exist_ok=True)
        for program, words in row["programs"].items():
            given = [self._instead[program]] if program in self._instead else words
            argv = [word.format(python=sys.executable, root=ROOT) for word in given]
            if not os.access(argv[0], os.X_OK):
                raise ImageError(f"{program}: {argv[0]} is not there; `make tools` installs it")
            path = folder / program
            text = f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n'
            if not path.is_file() or path.read_text("utf-8") != text:
                path.write_text(text, encoding="utf-8")
                path.chmod(0o700)
        known = {"root": str(ROOT)} | {name: value for name, value in groups.items() if value}
        missing = [f"{{{name}}}" for name, value in groups.items() if not value]
        extra = {
            name: str(value).format(**known)
            for name, value in row.get("env", {}).items()
            if not any(word in str(value) for word in missing)
        }
        environment = {"PATH": f"{folder}:{SYSTEM_PATH}", "LANG": "C.UTF-8", **extra}
        return Image(tuple(row["entrypoint"]), environment)
