"""`python -m local.vllm_router PROGRAM ARGUMENT...`: the real router, told where pods are on this machine.

It discovers pods by the API server, which knows their cluster addresses (198.18.0.0/15); on this machine they
listen on loopback. A second process stands between it and the API server and changes those addresses in the
answers; all else is as given.
"""

import asyncio
import os
import re
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientSession, ClientTimeout, web

_ADDRESS = re.compile(rb'"(podIP|ip)":"198\.(1[89](?:\.\d+){2})"')


def localized(line: bytes) -> bytes:
    """Return JSON of pods with the addresses they have on this machine. Pure."""
    return _ADDRESS.sub(rb'"\1":"127.\2"', line)


async def relay(listener: socket.socket, cluster: dict[str, Any], token: Path) -> None:
    """Answer at `listener` what the API server answers to this token, with the pods' local addresses."""
    trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
    async with ClientSession(timeout=ClientTimeout(total=None)) as session:

        async def answer(request: web.Request) -> web.StreamResponse:
            headers = {"Authorization": f"Bearer {token.read_text('utf-8').strip()}"}
            url, name = f"{cluster['server']}{request.rel_url}", cluster["tls-server-name"]
            async with session.get(url, headers=headers, ssl=trusted, server_hostname=name) as found:
                response = web.StreamResponse(
                    status=found.status, headers={"Content-Type": found.content_type}
                )
                await response.prepare(request)
                rest = b""
                async for piece in found.content.iter_any():  # a watch is a line an event
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        await response.write(localized(line) + b"\n")
                await response.write(localized(rest))
                return response

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()


def main(argv: Sequence[str]) -> None:
    """Start the process between and become the router."""
    program = argv[0]
    if not os.access(program, os.X_OK):
        sys.exit(f"{program} is not there; `make up` installs it where the stack file asks for balancing")
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text("utf-8"))
    listener = socket.create_server((os.environ["LOCAL_BIND"], 0))
    if os.fork() == 0:  # ended with the pod, like all that a container starts
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        asyncio.run(relay(listener, cluster, Path(user["tokenFile"])))
        return
    host, port = listener.getsockname()
    config["clusters"][0]["cluster"] = {"server": f"http://{host}:{port}"}
    config["users"][0]["user"] = {}
    made = Path(os.environ["TMPDIR"]) / "kubeconfig"
    made.write_text(yaml.safe_dump(config), encoding="utf-8")
    os.execve(program, [*argv], os.environ | {"KUBECONFIG": str(made)})  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1:])
