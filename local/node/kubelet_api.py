"""The node's own HTTPS server: logs for `kubectl logs`, and the metrics APIs.

Only who has a client certificate of the cluster's authority gets in: on a laptop that is the API server.
"""

import asyncio
import ssl
from pathlib import Path

from aiohttp import web

from local.node.agent import Agent
from local.node.api import Identity
from local.node.container import Container

HOST = "127.0.0.1"
FOLLOW_SECONDS = 0.3
UNSUPPORTED = {"sinceSeconds", "sinceTime", "timestamps"}


def tls(identity: Identity) -> ssl.SSLContext:
    """Serve with the cluster administrator's certificate, demand one of the same authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=identity.authority)
    context.load_cert_chain(identity.certificate, identity.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def serve(app: web.Application, identity: Identity) -> tuple[web.AppRunner, int]:
    """Start the server on a free loopback port; return what ends it and the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, ssl_context=tls(identity))
    await site.start()
    return runner, int(runner.addresses[0][1])


def add_logs(app: web.Application, agent: Agent) -> None:
    """Add the routes of `kubectl logs`; exec, attach and port-forward are told not to be there."""

    async def logs(request: web.Request) -> web.StreamResponse:
        pod = agent.find(request.match_info["namespace"], request.match_info["pod"])
        named = (
            [c for c in pod.containers if c.spec["name"] == request.match_info["container"]] if pod else []
        )
        if not named:
            raise web.HTTPNotFound(text="no such pod or container on this node")
        if asked := UNSUPPORTED & request.query.keys():
            raise web.HTTPBadRequest(text=f"the process node keeps no times of log lines: {', '.join(asked)}")
        return await _send(request, named[0])

    async def unsupported(_: web.Request) -> web.Response:
        raise web.HTTPNotImplemented(text="the process node has no exec, attach or port-forward")

    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    for verb in ("exec", "attach", "portForward"):
        app.router.add_route("*", f"/{verb}/{{rest:.*}}", unsupported)


async def _send(request: web.Request, container: Container) -> web.StreamResponse:
    previous = request.query.get("previous") == "true"
    path = container.log_of(container.state.restarts - 1) if previous else container.log
    if previous and not path.is_file():
        raise web.HTTPBadRequest(text=f"previous terminated container {container.spec['name']} not found")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    position = _start(path, request.query.get("tailLines"))
    limit = int(request.query.get("limitBytes", 2**63))
    while True:
        block = _read(path, position, limit)
        await response.write(block)
        position, limit = position + len(block), limit - len(block)
        done = request.query.get("follow") != "true" or container.pid is None or container.log != path
        if not block and (done or not limit):
            return response
        if not block:
            await asyncio.sleep(FOLLOW_SECONDS)


def _start(path: Path, tail: str | None) -> int:
    if tail is None or not path.is_file():
        return 0
    lines = path.read_bytes().splitlines(keepends=True)
    return sum(map(len, lines[: max(len(lines) - int(tail), 0)]))


def _read(path: Path, position: int, limit: int) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.read(min(limit, 65536))
