"""The account: one file per object in a folder, readable by its owner only. What AWS would know is there."""

import ipaddress
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local.private import write_private
from local.providers.aws.catalogue import behaviours
from local.providers.launchers import CLOUD_FOLDER
from local.providers.protocol import Json, PluginError

SUBNET, CLUSTER = "aws:ec2/subnet:Subnet", "aws:eks/cluster:Cluster"


def kubeconfig() -> Path:
    """Return how the local control plane is reached; its tokens lie beside it."""
    return Path(os.environ.get("KUBECONFIG", "kubeconfig")).resolve()


class Cloud:
    """All objects, by type token and id; a record has `inputs`, `outputs`, `seed` and `revision`."""

    def __init__(self) -> None:
        if not os.environ.get(CLOUD_FOLDER):
            raise PluginError(f"{CLOUD_FOLDER} is not set: use this repository's commands")
        self._folder = Path(os.environ[CLOUD_FOLDER])

    def get(self, token: str, object_id: str) -> Json | None:
        """Return an object's record."""
        path = self._path(token, object_id)
        found: Json | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        return found

    def all(self, token: str) -> Iterator[tuple[str, Json]]:
        """Return the records of a type with their ids."""
        for path in sorted(self._path(token, "").parent.glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            yield record["id"], record

    def put(self, token: str, object_id: str, **record: Any) -> None:
        """Write an object's record."""
        write_private(self._path(token, object_id), json.dumps({"id": object_id, **record}, indent=1))

    def delete(self, token: str, object_id: str) -> None:
        """Delete an object's record; raise PluginError, as AWS does, while others hold the object."""
        for other in behaviours()[token].held_by:
            for name, record in self.all(other):
                if json.dumps(object_id) in json.dumps(record["inputs"]):
                    holder = f"{other.rpartition(':')[2]} {name}"
                    raise PluginError(f"{behaviours()[token].held}: {object_id} is in use by {holder}")
        self._path(token, object_id).unlink(missing_ok=True)

    def require_free(self, token: str, object_id: str, inputs: Json) -> None:
        """Raise PluginError, as AWS does, if a new object cannot be: its name or addresses are taken."""
        cluster = inputs.get("clusterName")
        if self.get(token, object_id):
            raise PluginError(f"AlreadyExists: {object_id}; import it, or choose another name")
        if cluster and not self.get(CLUSTER, cluster):
            raise PluginError(f"ResourceNotFoundException: No cluster found for name: {cluster}.")
        for name, other in self.all(SUBNET) if token == SUBNET else ():
            blocks = (each.get("cidrBlock") or "0.0.0.0/32" for each in (inputs, other["inputs"]))
            ours, theirs = map(ipaddress.IPv4Network, blocks)
            if other["inputs"]["vpcId"] == inputs["vpcId"] and ours.overlaps(theirs):
                raise PluginError(f"InvalidSubnet.Conflict: {ours} overlaps {theirs} of {name}")

    def _path(self, token: str, object_id: str) -> Path:
        _, module, kind = token.split(":")
        return self._folder / f"{module.split('/')[0]}.{kind}" / f"{quote(object_id, safe='')}.json"
