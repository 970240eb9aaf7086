"""Startup, readiness and liveness probes: http, tcp, exec, grpc."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from local.node.api import Json

Exec = Callable[[list[str], float], Awaitable[tuple[int, str]]]
"""Run a command in the container for at most so many seconds; return exit code and output."""
STARTUP_PERIOD_SECONDS = 1
"""Longest pause between startup probes here: processes start faster than pods. The budget stays."""
_SERVING = b"\x08\x01"


class ProbeFailedError(Exception):
    """What the probe found, in the kubelet's words."""


async def verdicts(probe: Json, check: Callable[[], Awaitable[None]]) -> AsyncIterator[tuple[bool, str]]:
    """Yield (True, "") when the probe passes, (False, why) when it fails, thresholds applied, for ever.

    A failure below the threshold comes as (True, why); a success below its threshold does not come.
    """
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    run, last = 0, None
    while True:
        try:
            async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
                await check()
            ok, why = True, ""
        except (ProbeFailedError, TimeoutError) as problem:
            ok, why = False, str(problem) or "context deadline exceeded"
        run = run + 1 if ok == last else 1
        last = ok
        if ok and run >= probe.get("successThreshold", 1):
            yield True, ""
        elif not ok:
            yield run < probe.get("failureThreshold", 3), why
        await asyncio.sleep(probe.get("periodSeconds", 10))


def quick(probe: Json) -> Json:
    """A startup probe that asks more often within the same budget."""
    period = min(probe.get("periodSeconds", 10), STARTUP_PERIOD_SECONDS)
    budget = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    return {**probe, "periodSeconds": period, "failureThreshold": budget // period}


def port_number(container: Json, port: int | str) -> int:
    """Number of a container port given by number or name."""
    if isinstance(port, int):
        return port
    for named in container.get("ports", []):
        if named.get("name") == port:
            return int(named["containerPort"])
    raise ProbeFailedError(f"container {container['name']} has no port {port!r}")


async def act(handler: Json, container: Json, address: str, execute: Exec, timeout_seconds: float) -> None:
    """Do what a probe or a lifecycle hook says; raise ProbeFailedError if it does not go well."""
    if "exec" in handler:
        code, output = await execute(handler["exec"]["command"], timeout_seconds)
        if code:
            raise ProbeFailedError(f"command exited with {code}: {output[-500:].strip()}")
    elif "httpGet" in handler:
        await _http(handler["httpGet"], container, address)
    elif "tcpSocket" in handler:
        port = port_number(container, handler["tcpSocket"]["port"])
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError as problem:
            raise ProbeFailedError(f"dial tcp {address}:{port}: {problem.strerror}") from None
        writer.close()
    elif "grpc" in handler:
        await _grpc(handler["grpc"], address, timeout_seconds)
    elif "sleep" in handler:
        await asyncio.sleep(handler["sleep"]["seconds"])


async def _http(get: Json, container: Json, address: str) -> None:
    url = f"{get.get('scheme', 'HTTP').lower()}://{address}:{port_number(container, get['port'])}"
    headers = {h["name"]: h["value"] for h in get.get("httpHeaders", [])}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                url + "/" + get.get("path", "/").lstrip("/"),
                headers=headers,
                ssl=False,
                allow_redirects=False,
            ) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, OSError) as problem:
        raise ProbeFailedError(f'Get "{url}": {problem}') from None
    if not 200 <= status < 400:
        raise ProbeFailedError(f"HTTP probe failed with statuscode: {status}")


async def _grpc(handler: Json, address: str, timeout_seconds: float) -> None:
    """Ask the standard health service, whose messages are two fields long."""
    import grpc

    name = handler.get("service", "").encode()
    async with grpc.aio.insecure_channel(f"{address}:{handler['port']}") as channel:
        call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = await call(b"\x0a" + bytes([len(name)]) + name if name else b"", timeout=timeout_seconds)
        except grpc.RpcError as problem:
            raise ProbeFailedError(f"grpc: {problem.code().name}") from None
    if answer != _SERVING:
        raise ProbeFailedError("service unhealthy")


async def ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait until it is gone."""
    if task is not None and not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
