"""A storage provisioner: every claim gets a folder, whatever its class says."""

import logging
import shutil
from pathlib import Path

from local.node.api import CONFLICT, Api, ApiError, Json

_log = logging.getLogger(__name__)


def volume_for(claim: Json) -> Json:
    """The PersistentVolume for a claim. Its path is a name; the pods' node maps it to a folder of its own."""
    meta, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    keys = ("namespace", "name", "uid")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "storageClassName": spec.get("storageClassName", ""),
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/claims/{name}"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **{k: meta[k] for k in keys}},
        },
    }


async def provision(api: Api, state: Path) -> None:
    """Make and delete volumes as claims come and go, for ever."""
    async for kind, claim in api.watch("/api/v1/persistentvolumeclaims"):
        if kind == "SYNCED":
            continue
        volume = volume_for(claim) if claim["spec"].get("resources") else {}
        name = f"pvc-{claim['metadata']['uid']}"
        try:
            if kind == "DELETED":
                await api.request("DELETE", f"/api/v1/persistentvolumes/{name}")
                shutil.rmtree(state / "claims" / name, ignore_errors=True)
            elif not claim["spec"].get("volumeName"):
                await api.request("POST", "/api/v1/persistentvolumes", volume)
                path = f"/api/v1/namespaces/{claim['metadata']['namespace']}/persistentvolumeclaims"
                # named in the claim too, it is bound at once instead of at the controller's next round
                await api.patch(f"{path}/{claim['metadata']['name']}", {"spec": {"volumeName": name}})
        except ApiError as problem:
            if problem.status != CONFLICT:
                _log.warning("volume of %s: %s", claim["metadata"]["name"], problem)
