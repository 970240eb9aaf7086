"""Find nginx, or bring Debian's package into `.local/nginx`, for the test of the one-machine form.

apt checks the package's signature. Nothing is installed: the package is unpacked, and no root is needed.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tools.programs import ToolsError

SYSTEM_FOLDER = "/usr/sbin"
"""Where Debian has it, which is not on every user's PATH."""
_HINT = "install nginx and have it on PATH"
_TIMEOUT_SECONDS = 120


def nginx_program(root: Path) -> Path:
    """Return nginx: of PATH, else the one unpacked below `root`/.local/nginx.

    Raises ToolsError, in words for the user, where neither can be had.
    """
    found = shutil.which("nginx", path=os.pathsep.join((*os.get_exec_path(), SYSTEM_FOLDER)))
    if found is not None:
        return Path(found)
    folder = root / ".local" / "nginx"
    program = folder / "usr" / "sbin" / "nginx"
    if not program.is_file():
        missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
        if missing:
            raise ToolsError(f"nginx is not on PATH, and there is no {missing[0]} to fetch it with; {_HINT}")
        folder.mkdir(parents=True, exist_ok=True)
        _run("dpkg-deb", "--extract", str(_download(folder)), str(folder))
    if not program.is_file():  # as on older Ubuntu, where the package is empty and names another
        raise ToolsError(f"the package nginx of this system holds no usr/sbin/nginx; {_HINT}")
    _run(str(program), "-v")
    return program


def _download(folder: Path) -> Path:
    """The package. Lists of our own are fetched where the system has none: they are root's to update."""
    for state in (), _own_lists(folder):
        for left in folder.glob("*.deb"):
            left.unlink()
        if state:
            _run("apt-get", *state, "update", cwd=folder)
        done = _try("apt-get", *state, "download", "nginx", cwd=folder)
        packages = list(folder.glob("nginx_*.deb"))
        if done.returncode == 0 and packages:
            return packages[0]
    raise ToolsError(f"apt-get cannot download nginx: {done.stderr.strip()[-300:]}; {_HINT}")


def _own_lists(folder: Path) -> tuple[str, ...]:
    lists, cache = folder / "apt" / "lists", folder / "apt" / "cache"
    for place in (lists / "partial", cache / "archives" / "partial"):
        place.mkdir(parents=True, exist_ok=True)
    return ("-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}")


def _run(*command: str, cwd: Path | None = None) -> None:
    done = _try(*command, cwd=cwd)
    if done.returncode != 0:
        raise ToolsError(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}; {_HINT}")


def _try(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ToolsError(f"{command[0]} took more than {_TIMEOUT_SECONDS} s; {_HINT}") from None
