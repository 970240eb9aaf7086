"""The pods of this process's nodes, started and ended as the API server says."""

import asyncio
import itertools
import random

from local.node.addresses import POD_PREFIXES, pod_ip
from local.node.api import Json
from local.node.pod import Pod, Surroundings

SHUTDOWN_GRACE_SECONDS = 1
"""What pods get for preStop when the node itself stops; SIGTERM then has the usual two seconds."""
ENDED = ("Succeeded", "Failed")


class Agent:
    """Keeps one Pod per pod object that is bound to one of the nodes."""

    def __init__(self, shared: Surroundings, nodes: frozenset[str]) -> None:
        self._shared, self.nodes = shared, nodes
        self.pods: dict[str, Pod] = {}
        # begins anywhere, so that an address is not soon used again and two checkouts seldom meet
        self._numbers = itertools.count(random.randrange(2**17))  # noqa: S311

    async def run(self) -> None:
        """Follow the pods for ever."""
        async for kind, manifest in self._shared.api.watch("/api/v1/pods"):
            if manifest.get("spec", {}).get("nodeName") in self.nodes:
                self._take(kind, manifest)

    async def stop(self) -> None:
        """End all pods' processes; their objects stay, to be started again."""
        ends = [pod.stop(SHUTDOWN_GRACE_SECONDS, delete=False) for pod in self.pods.values()]
        await asyncio.gather(*ends)

    def find(self, namespace: str, name: str) -> Pod | None:
        """Return a pod by name."""
        for pod in self.pods.values():
            meta = pod.manifest["metadata"]
            if (meta["namespace"], meta["name"]) == (namespace, name):
                return pod
        return None

    def _take(self, kind: str, manifest: Json) -> None:
        uid = manifest["metadata"]["uid"]
        pod = self.pods.get(uid)
        if kind == "DELETED":
            if pod is not None:
                pod.stop(0, delete=False).add_done_callback(lambda _: self._forget(uid))
            return
        ending = "deletionTimestamp" in manifest["metadata"]
        if pod is None:
            if manifest.get("status", {}).get("phase") in ENDED and not ending:
                return
            pod = self.pods[uid] = Pod(manifest, self._address(manifest), self._shared)
            if not ending:  # else nothing of it runs any more
                pod.start()
        else:
            pod.update(manifest)
        if ending:
            pod.stop(manifest["metadata"].get("deletionGracePeriodSeconds", 0))

    def _forget(self, uid: str) -> None:
        if pod := self.pods.pop(uid, None):
            pod.remove()

    def _address(self, manifest: Json) -> str:
        """Its old address, if it had one of ours, else the next free one."""
        known: str = manifest.get("status", {}).get("podIP", "")
        if known.startswith(POD_PREFIXES):
            return known
        taken = {pod.ip for pod in self.pods.values()}
        return next(ip for ip in map(pod_ip, self._numbers) if ip not in taken)
