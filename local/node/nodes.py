"""Node objects: registered as given, kept alive by Lease and status."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime

from local.node.api import Api, ApiError, Json
from local.node.status import timestamp

HEARTBEAT_SECONDS, LEASE_SECONDS = 10, 40
"""The kubelet's."""
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def node_status(manifest: Json, port: int, version: str, *, ready: bool) -> Json:
    """Status of a node whose kubelet API listens on the loopback port. Pure but for the time."""
    now = timestamp()

    def condition(kind: str, holds: bool, reason: str) -> Json:
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        return {"type": kind, "status": str(holds), "reason": reason, "message": reason, **times}

    return {
        **manifest.get("status", {}),
        "conditions": [
            condition("Ready", ready, "ProcessNodeReady" if ready else "ProcessNodeStopped"),
            *(condition(kind, False, "ProcessNodeDoesNotMeasure") for kind in _PRESSURES),
        ],
        # no Hostname: the API server would ask the name service for it
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"$patch": "replace"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {
            "kubeletVersion": version,
            "operatingSystem": "linux",
            "architecture": manifest["metadata"].get("labels", {}).get("kubernetes.io/arch", "amd64"),
            "containerRuntimeVersion": "process://1",
            "osImage": "llmserve process node (pods are local processes)",
            **dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "kubeProxyVersion"), ""),
        },
    }


class Nodes:
    """The nodes of this process."""

    def __init__(self, api: Api, manifests: Sequence[Json], port: int) -> None:
        self._api, self._manifests, self._port = api, manifests, port
        self.names = frozenset(manifest["metadata"]["name"] for manifest in manifests)

    async def register(self) -> None:
        """Make the Node objects be there, ready."""
        version = (await self._api.get("/version"))["gitVersion"]
        for manifest in self._manifests:
            meta = manifest["metadata"]
            node = {k: v for k, v in manifest.items() if k != "status"}
            await self._api.apply(f"/api/v1/nodes/{meta['name']}", node)
            await self._lease(meta["name"])
            await self._status(manifest, version, ready=True)

    async def keep_alive(self) -> None:
        """Renew the Leases for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for name in self.names:
                with contextlib.suppress(ApiError):
                    await self._renew(name)

    async def retire(self) -> None:
        """Tell that the nodes stop."""
        for manifest in self._manifests:
            with contextlib.suppress(ApiError):
                await self._status(manifest, "", ready=False)

    async def _status(self, manifest: Json, version: str, *, ready: bool) -> None:
        status = node_status(manifest, self._port, version, ready=ready)
        await self._api.patch(f"/api/v1/nodes/{manifest['metadata']['name']}/status", {"status": status})

    async def _renew(self, name: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await self._api.patch(f"{_LEASES}/{name}", {"spec": {"renewTime": now}})

    async def _lease(self, name: str) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS},
        }
        await self._api.apply(f"{_LEASES}/{name}", lease)
        await self._renew(name)
