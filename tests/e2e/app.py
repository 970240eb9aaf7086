"""A small server the node's tests run in pods: health, streams, its environment, its files, a metric."""

import argparse
import asyncio
import json
import os
from pathlib import Path

from aiohttp import web


async def stream(request: web.Request) -> web.StreamResponse:
    """Send a line every 50 ms for as many seconds as asked, and `end`."""
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(int(float(request.query["seconds"]) * 20)):
        await response.write(f"{number}\n".encode())
        await asyncio.sleep(0.05)
    await response.write(b"end\n")
    return response


async def read(request: web.Request) -> web.Response:
    """Return a file, found through the variable that names its folder."""
    return web.Response(
        text=(Path(os.environ["CONFIG_FOLDER"]) / request.match_info["name"]).read_text("utf-8")
    )


async def ask(_: web.Request) -> web.Response:
    """Open a TCP connection to the address in variable PEER and return what its /health says."""
    host, port = os.environ["PEER"].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /who HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode().rpartition("\r\n\r\n")[2]
    writer.close()
    return web.Response(text=text)


async def who(_: web.Request) -> web.Response:
    """Return the pod's name."""
    return web.Response(text=os.environ["HOSTNAME"])


async def env(_: web.Request) -> web.Response:
    """Return all variables."""
    return web.Response(text=json.dumps(dict(os.environ)))


def main() -> None:
    """Serve until SIGTERM, then finish what is running."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    healthy, load = [True], [0.0]

    async def health(_: web.Request) -> web.Response:
        return web.Response(status=200 if healthy[0] else 503)

    async def sicken(_: web.Request) -> web.Response:
        healthy[0] = False
        return web.Response()

    async def set_load(request: web.Request) -> web.Response:
        load[0] = float(request.query["value"])
        return web.Response()

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=f'# TYPE app:load gauge\napp:load{{shard="0"}} {load[0]}\n')

    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/sicken", sicken)
    app.router.add_get("/load", set_load)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/stream", stream)
    app.router.add_get("/file/{name}", read)
    app.router.add_get("/ask", ask)
    app.router.add_get("/who", who)
    app.router.add_get("/env", env)
    print("serving", flush=True)
    web.run_app(app, host=options.host, port=options.port, shutdown_timeout=60, print=lambda _: None)


if __name__ == "__main__":
    main()
