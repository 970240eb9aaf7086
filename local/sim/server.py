"""The life of a simulated engine's process: bind to loopback, load, listen, stop on SIGTERM."""

import asyncio
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from local.errors import LocalError
from local.sim.flags import CommandLine, UsageError, complaint

LOCAL_BIND = "LOCAL_BIND"
"""Variable with the loopback address to use instead of all interfaces."""
HEADER = "x-llmserve-simulated"
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, never bound


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how it starts and stops."""

    title: str
    app: web.Application
    host: str
    port: int
    load: Callable[[], Awaitable[None]] | None = None
    """Runs before the port opens."""
    warm_up: Callable[[], Awaitable[None]] | None = None
    """Runs once the port is open."""
    stop: Callable[[], Awaitable[None]] | None = None
    """Runs on SIGTERM while the port is still open."""
    finish_seconds: float = 0.0
    """After that the port is closed; how long open requests may then go on before they are cut."""


def loopback(host: str, env: Mapping[str, str]) -> str:
    """The address to bind for what the command line says. Raises LocalError for any that others can reach."""
    chosen = env.get(LOCAL_BIND, "") if host in _EVERYWHERE else host
    if not chosen:
        raise LocalError(
            f"{host or 'all interfaces'}: a simulated engine listens on loopback only; set {LOCAL_BIND}"
        )
    try:
        safe = chosen == "localhost" or ipaddress.ip_address(chosen).is_loopback
    except ValueError:
        safe = False
    if not safe:
        raise LocalError(
            f"{chosen}: a simulated engine listens on loopback only; give 127.x.x.x or localhost"
        )
    return chosen


def start(line: CommandLine, make: Callable[[Sequence[str], Mapping[str, str]], Program]) -> None:
    """Run the engine that `make` gives for this process's command line; exit as the real one does."""
    try:
        program = make(sys.argv[1:], os.environ)
        listener = _bound(program.host, program.port)
    except UsageError as problem:
        print(complaint(line, str(problem)), file=sys.stderr)
        sys.exit(2)
    except (LocalError, OSError) as problem:
        print(f"SIMULATED {line.program}: {problem}", file=sys.stderr)
        sys.exit(1)
    asyncio.run(_serve(program, listener))


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound but does not listen yet, so that a taken port is told at once, as vLLM does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise OSError(problem.errno, f"{os.strerror(problem.errno or 0)}: {host}:{port}") from None
    return listener


async def _serve(program: Program, listener: socket.socket) -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    stopping = asyncio.create_task(told_to_stop.wait())
    if program.load is not None:
        await _first(program.load(), stopping)
    if not stopping.done():
        await _listen(program, listener, stopping)
    listener.close()


async def _listen(program: Program, listener: socket.socket, stopping: "asyncio.Task[bool]") -> None:
    program.app.on_response_prepare.append(_mark)
    runner = web.AppRunner(
        program.app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=max(program.finish_seconds, 0.01),  # aiohttp takes 0 for no limit
    )
    await runner.setup()
    await web.SockSite(runner, listener, backlog=1024).start()
    print(f"SIMULATED {program.title} on {program.host}:{program.port}: no model runs", flush=True)
    if program.warm_up is not None:
        await _first(program.warm_up(), stopping)
    await stopping
    if program.stop is not None:
        await program.stop()
    await runner.cleanup()


async def _first(task: Awaitable[None], stopping: "asyncio.Task[bool]") -> None:
    """Wait for `task`, or give it up when the process is told to stop."""
    work = asyncio.ensure_future(task)
    await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()
    work.cancel()


async def _mark(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers[HEADER] = "true"
