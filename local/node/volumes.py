"""A pod's volumes as folders, and their content kept up to date."""

import base64
import shutil
import time
from pathlib import Path

from local.node.addresses import Rewriter
from local.node.api import Api, Json
from local.node.render import ConfigError, field, resource

KEEP_TOKEN = 0.8
"""Share of a token's life after which it is replaced (the kubelet's)."""
Files = dict[str, bytes]


class Volumes:
    """All volumes of one pod.

    hostPath lies in a folder per node, a claim in a folder per PersistentVolume: nothing outside `state`.
    """

    def __init__(self, api: Api, state: Path, folder: Path, pod: Json) -> None:
        self._api, self._state, self._folder, self._pod = api, state, folder, pod
        self._paths: dict[str, Path] = {}
        self._tokens: dict[str, tuple[float, bytes]] = {}

    async def locate(self) -> None:
        """Make the folders; raise ConfigError if a claim is not bound or a kind is not supported."""
        for volume in self._pod["spec"].get("volumes", []):
            path = await self._path(volume)
            path.mkdir(parents=True, exist_ok=True)
            self._paths[volume["name"]] = path

    def mounts(self, *containers: Json) -> tuple[tuple[str, str], ...]:
        """Mount path and real path for these containers; of two mounts at one path the first counts."""
        found: dict[str, str] = {}
        for container in containers:
            for mount in container.get("volumeMounts", []):
                if "subPathExpr" in mount:
                    raise ConfigError("subPathExpr is not supported by the process node; use subPath")
                path = self._paths[mount["name"]] / mount.get("subPath", "")
                found.setdefault(mount["mountPath"].rstrip("/"), str(path))
        return tuple(found.items())

    async def fill(self, rewriter: Rewriter) -> None:
        """Write what comes from the API server, if it has changed; raise ConfigError for what is missing."""
        for volume in self._pod["spec"].get("volumes", []):
            files = await self._files(volume, rewriter)
            if files is not None:
                publish(self._paths[volume["name"]], files)

    def remove(self) -> None:
        """Delete all that belongs to the pod."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _path(self, volume: Json) -> Path:
        if "hostPath" in volume:
            node, path = str(self._pod["spec"]["nodeName"]), str(volume["hostPath"]["path"])
            return self._state / "disks" / node / path.lstrip("/")
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            claim = await self._api.find(self._url("persistentvolumeclaims", name))
            if claim is None or claim.get("status", {}).get("phase") != "Bound":
                raise ConfigError(f'persistentvolumeclaim "{name}" is not bound')
            return self._state / "claims" / str(claim["spec"]["volumeName"])
        known = {"configMap", "secret", "projected", "downwardAPI", "emptyDir"}
        if not known & volume.keys():
            raise ConfigError(f"volume {volume['name']}: its kind is not supported by the process node")
        return self._folder / "volumes" / str(volume["name"])

    async def _files(self, volume: Json, rewriter: Rewriter) -> Files | None:
        if "projected" in volume:
            files: Files = {}
            for source in volume["projected"].get("sources", []):
                files |= await self._files(source, rewriter) or {}
            return files
        if "configMap" in volume:
            source = volume["configMap"]
            data = await self._data("configmaps", source.get("name", ""), source)
            text = {key: rewriter.text(value).encode() for key, value in data.get("data", {}).items()}
            binary = {key: base64.b64decode(value) for key, value in data.get("binaryData", {}).items()}
            return _chosen(text | binary, source)
        if "secret" in volume:
            source = volume["secret"]
            data = await self._data("secrets", source.get("secretName") or source.get("name", ""), source)
            return _chosen({k: base64.b64decode(v) for k, v in data.get("data", {}).items()}, source)
        if "downwardAPI" in volume:
            return {item["path"]: self._fact(item).encode() for item in volume["downwardAPI"]["items"]}
        if "serviceAccountToken" in volume:
            source = volume["serviceAccountToken"]
            return {source["path"]: await self._token(source)}
        return None

    async def _data(self, kind: str, name: str, source: Json) -> Json:
        found = await self._api.find(self._url(kind, name))
        if found is None and not source.get("optional"):
            raise ConfigError(f'{kind.removesuffix("s")} "{name}" not found')
        return found or {}

    def _fact(self, item: Json) -> str:
        if "fieldRef" in item:
            return field(self._pod, item["fieldRef"]["fieldPath"])
        return resource(self._pod, self._pod["spec"]["containers"][0], item["resourceFieldRef"])

    async def _token(self, source: Json) -> bytes:
        due, token = self._tokens.get(source["path"], (0.0, b""))
        if time.monotonic() < due:
            return token
        seconds = source.get("expirationSeconds", 3600)
        audiences = [source["audience"]] if "audience" in source else []
        account = self._pod["spec"].get("serviceAccountName", "default")
        pod = {"kind": "Pod", "apiVersion": "v1", "name": self._pod["metadata"]["name"]}
        pod["uid"] = self._pod["metadata"]["uid"]
        spec = {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": pod}
        made = await self._api.request(
            "POST", self._url("serviceaccounts", account) + "/token", {"spec": spec}
        )
        token = str(made["status"]["token"]).encode()
        self._tokens[source["path"]] = (time.monotonic() + seconds * KEEP_TOKEN, token)
        return token

    def _url(self, kind: str, name: str) -> str:
        return f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/{kind}/{name}"


def publish(folder: Path, files: Files) -> None:
    """Make `folder` show exactly these files, all at once, as the kubelet does: through a link `..data`."""
    data = folder / "..data"
    if data.exists() and _content(data) == files:
        return
    old = data.resolve() if data.exists() else None
    fresh = folder / f"..{time.time_ns()}"
    fresh.mkdir(mode=0o700)
    for name, content in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(data)
    tops = {name.split("/")[0] for name in files}
    for top in tops:
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(f"..data/{top}")
    for stale in folder.iterdir():
        if not stale.name.startswith("..") and stale.name not in tops:
            stale.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _content(folder: Path) -> Files:
    return {
        str(p.relative_to(folder.resolve())): p.read_bytes()
        for p in folder.resolve().rglob("*")
        if p.is_file()
    }


def _chosen(files: Files, source: Json) -> Files:
    if "items" not in source:
        return files
    missing = [item["key"] for item in source["items"] if item["key"] not in files]
    if missing and not source.get("optional"):
        raise ConfigError(f"references non-existent key: {', '.join(missing)}")
    return {item["path"]: files[item["key"]] for item in source["items"] if item["key"] in files}
