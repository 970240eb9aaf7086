"""The little of a Kubernetes client that a node needs, on aiohttp."""

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml

from local.private import write_private

Json = dict[str, Any]
NOT_FOUND, GONE, CONFLICT = 404, 410, 409
RETRY_SECONDS = 0.5
LINE_BYTES = 4 * 1024 * 1024
"""Longest object a watch may bring; etcd takes no more than 1.5 MiB."""
_log = logging.getLogger(__name__)


class ApiError(Exception):
    """The API server refused; `status` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Identity:
    """Server address, authority and client certificate of a kubeconfig, the latter as files in `folder`."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text("utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        self.authority = _file(cluster, "certificate-authority", folder)
        self.certificate = _file(user, "client-certificate", folder)
        self.key = _file(user, "client-key", folder)


class Api:
    """Requests as the kubeconfig's user. Every one but a watch ends within 10 s."""

    def __init__(self, identity: Identity) -> None:
        context = ssl.create_default_context(cafile=identity.authority)
        context.load_cert_chain(identity.certificate, identity.key)
        server = urlsplit(identity.server)
        self.address = (server.hostname or "", server.port or 443)
        """Host and port of the API server."""
        self._session = aiohttp.ClientSession(
            identity.server,
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=10),
            read_bufsize=LINE_BYTES,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def request(
        self, method: str, path: str, body: Json | None = None, media: str = "application/json", **query: str
    ) -> Json:
        """Send one request and return the answer; raise ApiError if it is a refusal."""
        data = json.dumps(body) if body is not None else None
        try:
            async with self._session.request(
                method, path, data=data, params=query, headers={"Content-Type": media}
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ApiError(0, f"{type(problem).__name__}: {problem}") from None
        if answer.status >= 400:
            raise ApiError(answer.status, _message(text))
        result: Json = json.loads(text)
        return result

    async def get(self, path: str, **query: str) -> Json:
        """Return one object or list."""
        return await self.request("GET", path, None, "application/json", **query)

    async def find(self, path: str) -> Json | None:
        """Return one object, None if there is none."""
        try:
            return await self.get(path)
        except ApiError as problem:
            if problem.status == NOT_FOUND:
                return None
            raise

    async def patch(self, path: str, body: Json) -> Json:
        """Merge into an object, lists by their keys."""
        return await self.request("PATCH", path, body, "application/strategic-merge-patch+json")

    async def apply(self, path: str, body: Json) -> Json:
        """Make an object be so, on the server's side."""
        media = "application/apply-patch+yaml"
        return await self.request("PATCH", path, body, media, fieldManager="llmserve-node", force="true")

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Json]]:
        """Yield ADDED, MODIFIED and DELETED with the object for ever, and SYNCED after the first list.

        Outlives the API server: what was missed meanwhile comes as changes after the next list.
        """
        known: dict[str, Json] = {}
        version, first = "", True
        while True:
            try:
                if not version:
                    listed = await self.get(path)
                    # items of a list do not say what they are
                    identity = {
                        "apiVersion": listed["apiVersion"],
                        "kind": listed["kind"].removesuffix("List"),
                    }
                    fresh = {item["metadata"]["uid"]: identity | item for item in listed["items"]}
                    for uid in known.keys() - fresh.keys():
                        yield "DELETED", known.pop(uid)
                    for uid, item in fresh.items():
                        kind = "MODIFIED" if uid in known else "ADDED"
                        known[uid] = item
                        yield kind, item
                    if first:
                        yield "SYNCED", {}
                    version, first = listed["metadata"]["resourceVersion"], False
                async for kind, item in self._changes(path, version):
                    version = item["metadata"]["resourceVersion"]
                    if kind == "BOOKMARK":
                        continue
                    if kind == "DELETED":
                        known.pop(item["metadata"]["uid"], None)
                    else:
                        known[item["metadata"]["uid"]] = item
                    yield kind, item
            except ApiError as problem:
                if problem.status == GONE:
                    version = ""
                else:
                    _log.warning("watch %s: %s", path, problem)
            await asyncio.sleep(RETRY_SECONDS)

    async def _changes(self, path: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        try:
            async with self._session.get(
                path, params=query, timeout=aiohttp.ClientTimeout(total=None, sock_connect=5)
            ) as answer:
                if answer.status >= 400:
                    raise ApiError(answer.status, _message(await answer.text()))
                async for line in answer.content:
                    change = json.loads(line)
                    if change["type"] == "ERROR":
                        raise ApiError(change["object"].get("code", 0), change["object"].get("message", ""))
                    yield change["type"], change["object"]
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ApiError(0, f"{type(problem).__name__}: {problem}") from None


def _message(text: str) -> str:
    try:
        return str(json.loads(text).get("message", text))
    except ValueError:
        return text[:300]


def _file(entry: Json, key: str, folder: Path) -> str:
    if key in entry:
        return str(entry[key])
    path = folder / key
    write_private(path, base64.b64decode(entry[f"{key}-data"]).decode())
    return str(path)
