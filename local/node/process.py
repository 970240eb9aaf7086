"""One local process of a container: started, watched, ended, and never left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
MESSAGE_BYTES = 2048
MARK = "LLMSERVE_NODE_STATE"
"""Variable that every process of a node's pods carries."""


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def spawn(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, output: int
) -> asyncio.subprocess.Process:
    """Start a program in a session of its own, output to a file descriptor; raise OSError if it cannot."""
    return await asyncio.create_subprocess_exec(
        *argv,
        env=dict(environment),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


async def execute(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, timeout_seconds: float
) -> tuple[int, str]:
    """Run a command to its end; return exit code and output. Raises TimeoutError, and kills it then."""
    try:
        process = await spawn(argv, environment, folder, asyncio.subprocess.PIPE)
    except OSError as problem:
        return 126, f"{argv[0]}: {problem.strerror}"
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate()
    finally:
        kill_group(process.pid)
        await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def last_words(log: Path) -> str:
    """End of what a process wrote, as much as a termination message holds."""
    return log.read_bytes()[-MESSAGE_BYTES:].decode(errors="replace")


def kill_group(pid: int) -> None:
    """End a process and all it started, whatever they do."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def usage(sessions: Collection[int]) -> dict[int, tuple[float, int]]:
    """CPU seconds and resident bytes of all live processes, by session."""
    used = dict.fromkeys(sessions, (0.0, 0))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if (session := os.getsid(process.pid)) in used:
                seconds, resident = used[session]
                times = process.cpu_times()
                used[session] = (seconds + times.user + times.system, resident + process.memory_info().rss)
    return used


def mark(state: Path) -> str:
    """Return what the variable MARK says in processes that this node starts."""
    return f"{state}#{os.getpid()}"


def start_warden(state: Path) -> None:
    """Fork a process that ends every pod process once this one is gone, however it went.

    PR_SET_PDEATHSIG reaches the processes we started; the warden also those that they started. What an
    earlier node left is ended first.
    """
    _end_marked(f"{state}#")
    ours = mark(state)
    inlet, outlet = os.pipe()
    if os.fork():
        os.close(inlet)
        return
    os.setsid()
    os.close(outlet)
    os.closerange(3, inlet)  # the lock on the state folder among them
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.read(inlet, 1)  # returns when the other end, the node, is gone
    _end_marked(ours)
    os._exit(0)


def _end_marked(beginning: str) -> None:
    """Kill all processes whose mark begins so."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK, "").startswith(beginning):
                process.kill()
