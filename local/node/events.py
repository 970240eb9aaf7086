"""Pod Events, repeated ones counted in place."""

import asyncio
import logging

from local.node.api import Api, ApiError, Json
from local.node.status import timestamp

COMPONENT = "llmserve-node"
_log = logging.getLogger(__name__)


class Events:
    """Writes Events in the background; one that cannot be written is in the log only."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._seen: dict[tuple[str, ...], tuple[str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, about: Json, reason: str, message: str, *, warning: bool = False) -> None:
        """Write one Event about an object (which has apiVersion and kind)."""
        where = about["metadata"]
        _log.info("%s/%s %s: %s", where.get("namespace", ""), where["name"], reason, message)
        task = asyncio.create_task(self._write(about, reason, message, "Warning" if warning else "Normal"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != uid}

    async def _write(self, about: Json, reason: str, message: str, kind: str) -> None:
        where = about["metadata"]
        namespace, key = where.get("namespace", "default"), (where["uid"], reason, message)
        path = f"/api/v1/namespaces/{namespace}/events"
        name, count = self._seen.get(key, ("", 0))
        self._seen[key] = (name, count + 1)
        try:
            if name:
                again = {"count": count + 1, "lastTimestamp": timestamp()}
                await self._api.patch(f"{path}/{name}", again)
                return
            identity = {k: where[k] for k in ("namespace", "name", "uid") if k in where}
            made = await self._api.request(
                "POST",
                path,
                {
                    "metadata": {"generateName": f"{where['name']}.", "namespace": namespace},
                    "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], **identity},
                    "reason": reason,
                    "message": message[:1000],
                    "type": kind,
                    "count": 1,
                    "source": {"component": COMPONENT, "host": about.get("spec", {}).get("nodeName", "")},
                    "firstTimestamp": timestamp(),
                    "lastTimestamp": timestamp(),
                },
            )
            self._seen[key] = (made["metadata"]["name"], self._seen[key][1])
        except ApiError as problem:
            _log.warning("event not written: %s", problem)
