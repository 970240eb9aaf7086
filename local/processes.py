"""Processes of one state folder: found by a mark in their environment, never by a name or a stale id."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

MARK = "LLMSERVE_LOCAL_STATE"
KILL_SECONDS = 5


def mark(state: Path) -> dict[str, str]:
    """Return the variable that everything started for the state folder carries, and hands to its children."""
    return {MARK: str(state.resolve())}


def ours(state: Path) -> dict[str, list[psutil.Process]]:
    """Return the running processes that carry the folder's mark, by program name."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(state.resolve()):
                found.setdefault(Path(process.cmdline()[0]).name, []).append(process)
    return found


def kill(processes: Iterable[psutil.Process]) -> None:
    """End each at once and wait until it is gone.

    Nothing is lost by it: etcd writes before it answers, and so does pulumi.
    """
    asked = list(processes)
    for process in asked:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(asked, timeout=KILL_SECONDS)


def is_running(pid: int, name: str) -> bool:
    """Whether a process of that id lives under that name: ids are given again, and zombies do not live."""
    try:
        process = psutil.Process(pid)
        return bool(process.name() == name and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
