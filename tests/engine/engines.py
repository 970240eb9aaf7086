"""Private pulumi backends that use the stand-ins, against any control plane."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from local.engine import laptop_environment, with_plugins
from local.layout import Layout
from local.plugins import Plugins

RunPulumi = Callable[..., subprocess.CompletedProcess[str]]


def private_environment(folder: Path, programs: Path, kubeconfig: Path) -> dict[str, str]:
    """Environment of a pulumi whose state lies in the given folder, and whose plugins are the stand-ins."""
    layout = Layout(folder)
    layout.state.mkdir(parents=True, exist_ok=True)
    if not layout.programs.exists():
        layout.programs.symlink_to(programs)
    environment = with_plugins(layout, laptop_environment(layout), Plugins(False, False, False))
    return environment | {"KUBECONFIG": str(kubeconfig)}


def pulumi_of(programs: Path) -> RunPulumi:
    """What runs pulumi in a folder with such an environment; output and status come back."""

    def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs / "pulumi", "--non-interactive", "--color=never", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )

    return run
