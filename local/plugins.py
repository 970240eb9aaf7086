"""Who answers for Pulumi's plugins: the official ones where they can be had, else the stand-ins."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from local.layout import Layout

LANGUAGE, KUBERNETES = "pulumi-language-python", "pulumi-resource-kubernetes"
SILENCE_SECONDS = 10
"""How long the download may bring nothing before it counts as impossible."""


@dataclass(frozen=True)
class Plugins:
    """Which of the two plugins are the official ones."""

    official_language: bool
    official_kubernetes: bool

    @property
    def stand_ins(self) -> list[str]:
        """Names of the plugins our own programs stand in for."""
        answers = {LANGUAGE: self.official_language, KUBERNETES: self.official_kubernetes}
        return [name for name, official in answers.items() if not official]

    def __str__(self) -> str:
        """One line for the user."""
        if not self.stand_ins:
            return "plugins: the official language host and kubernetes provider"
        return (
            f"plugins: stand-ins of this repository answer for {' and '.join(self.stand_ins)}, "
            "which could not be had here (`make plugins` tries again)"
        )


def decide(layout: Layout, environment: dict[str, str], *, retry: bool = False) -> Plugins:
    """Return who answers. Looked up and, if need be, downloaded once; the outcome is remembered."""
    record = layout.state / "plugins.json"
    if record.is_file() and not retry:
        return Plugins(**json.loads(record.read_text(encoding="utf-8")))
    plugins = Plugins(_has_language_host(layout), _has_kubernetes(layout, environment))
    record.write_text(json.dumps(asdict(plugins)), encoding="utf-8")
    return plugins


def _has_language_host(layout: Layout) -> bool:
    beside = (layout.programs / "pulumi").resolve().parent / LANGUAGE
    return beside.is_file() or shutil.which(LANGUAGE) is not None


def _has_kubernetes(layout: Layout, environment: dict[str, str]) -> bool:
    if shutil.which(KUBERNETES):
        return True
    wanted = f"v{version('pulumi-kubernetes')}"
    command = [str(layout.programs / "pulumi"), "plugin", "install", "resource", "kubernetes", wanted]
    with tempfile.TemporaryDirectory(dir=layout.state, prefix="download-") as folder:
        download = subprocess.Popen(
            command,
            env=environment | {"TMPDIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return _wait_while_growing(download, [Path(folder), layout.state / "pulumi" / "plugins"])
        finally:
            if download.poll() is None:
                download.kill()
                download.wait()


def _wait_while_growing(download: subprocess.Popen[bytes], folders: list[Path]) -> bool:
    """Wait for a download as long as bytes arrive; return whether it ended well."""
    size, last_growth = 0, time.monotonic()
    while download.poll() is None:
        time.sleep(0.1)
        now = sum(_size(folder) for folder in folders)
        if now > size:
            size, last_growth = now, time.monotonic()
        elif time.monotonic() - last_growth > SILENCE_SECONDS:
            return False
    return download.returncode == 0


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total
