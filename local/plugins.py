"""Who answers for Pulumi's plugins: the official ones where they can be had, else the stand-ins."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from local.layout import Layout

LANGUAGE, KUBERNETES, AWS = "pulumi-language-python", "pulumi-resource-kubernetes", "pulumi-resource-aws"
CALLED = {LANGUAGE: "language host", KUBERNETES: "kubernetes provider", AWS: "aws provider"}
SILENCE_SECONDS = 10
"""How long the download may bring nothing before it counts as impossible."""


@dataclass(frozen=True)
class Plugins:
    """Which of the plugins are the official ones."""

    official_language: bool
    official_kubernetes: bool
    official_aws: bool | None = None
    """None: not looked for, because the stack needs nothing of AWS."""

    @property
    def stand_ins(self) -> list[str]:
        """Names of the plugins our own programs stand in for."""
        return [name for name, official in self._answers.items() if not official]

    @property
    def _answers(self) -> dict[str, bool]:
        answers = {LANGUAGE: self.official_language, KUBERNETES: self.official_kubernetes}
        return answers if self.official_aws is None else answers | {AWS: self.official_aws}

    def __str__(self) -> str:
        """One line for the user."""
        if not self.stand_ins:
            return f"plugins: the official {_listed([CALLED[name] for name in self._answers])}"
        return (
            f"plugins: stand-ins of this repository answer for {_listed(self.stand_ins)}, "
            "which could not be had here (`make plugins` tries again)"
        )


def decide(
    layout: Layout, environment: dict[str, str], *, retry: bool = False, with_aws: bool = False
) -> Plugins:
    """Return who answers. Looked up and, if need be, downloaded once; the outcome is remembered.

    The aws provider, which is large, is looked for when a stack first needs it (`with_aws`).
    """
    record = layout.state / "plugins.json"
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() and not retry else {}
    if known:
        plugins = Plugins(**known)
    else:
        plugins = Plugins(_has_language_host(layout), _has_provider(layout, environment, KUBERNETES))
    if with_aws and plugins.official_aws is None:
        plugins = replace(plugins, official_aws=_has_provider(layout, environment, AWS))
    record.write_text(json.dumps(asdict(plugins)), encoding="utf-8")
    return plugins if with_aws else replace(plugins, official_aws=None)


def _has_language_host(layout: Layout) -> bool:
    beside = (layout.programs / "pulumi").resolve().parent / LANGUAGE
    return beside.is_file() or shutil.which(LANGUAGE) is not None


def _has_provider(layout: Layout, environment: dict[str, str], plugin: str) -> bool:
    if shutil.which(plugin):
        return True
    package = plugin.removeprefix("pulumi-resource-")
    wanted = f"v{version(f'pulumi-{package}')}"
    command = [str(layout.programs / "pulumi"), "plugin", "install", "resource", package, wanted]
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


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
