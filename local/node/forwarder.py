"""kube-proxy for laptops: a TCP listener per Service port that follows the ready endpoints."""

import asyncio
import contextlib
import logging
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping

from local.node.addresses import Name, Rewriter, Route, routes, service_address
from local.node.api import Api, ApiError, Json

BLOCK_BYTES = 65536
_log = logging.getLogger(__name__)


class ServiceNetwork:
    """All Services of the cluster on loopback.

    A connection goes to a random ready endpoint and stays there. Without endpoints nothing listens, so
    connections are refused. Changes of EndpointSlices take effect `lag_seconds` late, as on a real cluster.
    """

    def __init__(self, api: Api, seed: str, lag_seconds: float, published: Mapping[int, Name]) -> None:
        self._api, self._seed, self._lag_seconds, self._published = api, seed, lag_seconds, published
        self._services: dict[Name, Json] = {}
        self._slices: dict[str, Json] = {}
        self._namespaces: set[str] = set()
        self._targets: dict[Route, list[Route]] = {}
        self._listeners: dict[Route, asyncio.Server] = {}
        self._applying = asyncio.Lock()
        self._wanted = asyncio.Event()
        self.synced = [asyncio.Event() for _ in range(3)]

    def rewriter(self, namespace: str, address: str) -> Rewriter:
        """Return what makes cluster names local for a pod."""
        ports = {
            name: frozenset(p["port"] for p in service["spec"].get("ports", []))
            for name, service in self._services.items()
        }
        return Rewriter(self._seed, namespace, address, frozenset(self._namespaces), ports)

    async def run(self) -> None:
        """Follow the cluster for ever."""
        await asyncio.gather(
            self._follow("/api/v1/namespaces", self._namespace, self.synced[0]),
            self._follow("/api/v1/services", self._service, self.synced[1]),
            self._follow("/apis/discovery.k8s.io/v1/endpointslices", self._slice, self.synced[2]),
            self._apply_when_wanted(),
        )

    async def close(self) -> None:
        """Listen no more."""
        for server in self._listeners.values():
            server.close()

    async def _follow(self, path: str, take: Callable[[str, Json], None], synced: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        async for kind, item in self._api.watch(path):
            if kind == "SYNCED":
                synced.set()
            elif take == self._slice and synced.is_set() and self._lag_seconds:
                loop.call_later(self._lag_seconds, take, kind, item)
            else:
                take(kind, item)

    def _namespace(self, kind: str, item: Json) -> None:
        name = item["metadata"]["name"]
        self._namespaces.discard(name) if kind == "DELETED" else self._namespaces.add(name)

    def _service(self, kind: str, item: Json) -> None:
        name = (item["metadata"]["namespace"], item["metadata"]["name"])
        if kind == "DELETED":
            self._services.pop(name, None)
        else:
            self._services[name] = item
        self._wanted.set()

    def _slice(self, kind: str, item: Json) -> None:
        if kind == "DELETED":
            self._slices.pop(item["metadata"]["uid"], None)
        else:
            self._slices[item["metadata"]["uid"]] = item
        self._wanted.set()

    async def _apply_when_wanted(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            slices = list(self._slices.values())
            targets = routes(self._seed, self._services, slices, self._published, self._api.address)
            self._targets = targets
            for route in self._listeners.keys() - {r for r, found in targets.items() if found}:
                self._listeners.pop(route).close()
            for route in {r for r, found in targets.items() if found} - self._listeners.keys():
                try:
                    self._listeners[route] = await asyncio.start_server(
                        self._serve(route), *route, backlog=512
                    )
                except OSError as problem:
                    _log.error("cannot listen on %s:%s: %s", *route, problem.strerror)
            await self._publish_addresses()

    async def _publish_addresses(self) -> None:
        """Give LoadBalancer Services the address they have here."""
        for (namespace, name), service in self._services.items():
            status = {"loadBalancer": {"ingress": [{"ip": service_address(self._seed, (namespace, name))}]}}
            if service["spec"].get("type") == "LoadBalancer" and service.get("status") != status:
                with contextlib.suppress(ApiError):
                    path = f"/api/v1/namespaces/{namespace}/services/{name}/status"
                    made = await self._api.patch(path, {"status": status})
                    service["status"] = made["status"] | status

    def _serve(self, route: Route) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            targets = self._targets.get(route)
            try:
                if not targets:
                    raise ConnectionRefusedError
                there_reader, there_writer = await asyncio.open_connection(*random.choice(targets))  # noqa: S311
            except OSError:
                _reset(writer)
                return
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
            there_writer.close()
            writer.close()

        return serve


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction; an end is passed on as an end, a break as a break."""
    try:
        while block := await reader.read(BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
        writer.write_eof()
    except OSError:
        _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection so that the other side sees an error instead of an end."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
