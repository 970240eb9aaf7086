"""One pod from its binding to its end."""

import asyncio
import base64
import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from local.node import process, render
from local.node.addresses import Rewriter, pod_address
from local.node.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from local.node.container import Container, Start
from local.node.events import Events
from local.node.images import Images
from local.node.probes import ended
from local.node.render import ConfigError
from local.node.status import ContainerState, Kind, pod_status, resumed, timestamp
from local.node.volumes import Volumes

REFRESH_SECONDS = 5
"""How often ConfigMaps and Secrets in volumes are looked at (the kubelet: up to 90 s)."""
RETRY_SECONDS = 1
HOST_IP = "127.0.0.1"


@dataclass(frozen=True)
class Surroundings:
    """What all pods of this process share."""

    api: Api
    state: Path
    images: Images
    events: Events
    rewriter: Callable[[str, str], Rewriter]
    """For a namespace and a pod's address."""


class Pod:
    """Runs a pod's containers, reports its status, and ends it. One per pod uid."""

    def __init__(self, manifest: Json, ip: str, shared: Surroundings) -> None:
        self.manifest, self.ip, self._shared = manifest, ip, shared
        meta, spec = manifest["metadata"], manifest["spec"]
        self.uid: str = meta["uid"]
        self.address = pod_address(ip)
        self.policy: str = spec.get("restartPolicy", "Always")
        self.grace_seconds: float = spec.get("terminationGracePeriodSeconds", 30)
        self.folder = shared.state / "pods" / self.uid
        self.logs = self.folder / "logs"
        self._url = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._volumes = Volumes(shared.api, shared.state, self.folder, manifest)
        self.containers = [self._container(c, _kind(c)) for c in spec.get("initContainers", [])]
        self.containers += [self._container(c, "main") for c in spec["containers"]]
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._sidecars: list[asyncio.Task[bool]] = []
        self._stopping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to run and to report."""
        self.update(self.manifest)
        self._tasks = [asyncio.create_task(work()) for work in (self._run, self._report, self._refresh)]
        self.changed()

    def stop(self, grace_seconds: float, *, delete: bool = True) -> asyncio.Task[None]:
        """Begin to end it, its object too if `delete`; asked again, only the shortest grace counts."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._end(grace_seconds, delete))
        else:
            for container in self.containers:
                asyncio.get_running_loop().call_later(grace_seconds, container.kill)
        return self._stopping

    def update(self, manifest: Json) -> None:
        """Take over what others changed: labels, deletion, conditions."""
        # the downward API gives the address before the API server has it
        manifest.setdefault("status", {}).setdefault("podIP", self.ip)
        self.manifest = manifest

    def remove(self) -> None:
        """Delete its files."""
        self._volumes.remove()

    def changed(self) -> None:
        """Have the status reported."""
        self._dirty.set()

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Write an Event about the pod."""
        self._shared.events.tell(self.manifest, reason, message, warning=warning)

    async def prepare(self, spec: Json) -> Start:
        """Return how to start a container; raise ImageError or ConfigError."""
        image = self._shared.images.find(spec["image"])
        mounts = self._volumes.mounts(spec)
        rewriter = self._rewriter(mounts)
        namespace = self.manifest["metadata"]["namespace"]
        sources = {
            (kind, name): _decoded(
                kind, await self._shared.api.find(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
            )
            for kind, name in render.references(spec)
        }
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        own = {
            **image.environment,
            "HOSTNAME": self.manifest["metadata"]["name"],
            "HOME": str(scratch),
            "TMPDIR": rewriter.paths("/tmp") if dict(mounts).get("/tmp") else str(scratch),  # noqa: S108
            "LOCAL_BIND": self.address,
            process.MARK: process.mark(self._shared.state),
        }
        environment = own | render.environment(self.manifest, spec, sources, rewriter)
        argv = render.command(spec, image.entrypoint, environment, rewriter)
        folder = Path(rewriter.paths(spec["workingDir"])) if spec.get("workingDir") else scratch
        return Start(argv, environment, folder if folder.is_dir() else scratch, rewriter)

    async def _run(self) -> None:
        """Volumes, init containers in turn, then the main containers together."""
        await self._mount()
        for container in self._of("init", "sidecar"):
            if container.state.kind == "init":
                if not await container.run():
                    return self.changed()
            else:
                self._sidecars.append(asyncio.create_task(container.run()))
                await container.began.wait()
        for container in self._of("main"):
            if container.may_start:
                container.state.wait("ContainerCreating")
        await asyncio.gather(*(container.run() for container in self._of("main")))
        await self._stop_sidecars(self.grace_seconds)
        self.changed()
        return None

    async def _mount(self) -> None:
        for container in self._of("main"):
            if container.may_start:
                container.state.wait(
                    "PodInitializing" if self._of("init", "sidecar") else "ContainerCreating"
                )
        while True:
            try:
                await self._volumes.locate()
                await self._volumes.fill(self._rewriter(self._all_mounts()))
                return
            except (ConfigError, ApiError) as problem:
                self.tell("FailedMount", f"MountVolume.SetUp failed: {problem}", warning=True)
            await asyncio.sleep(RETRY_SECONDS)

    async def _refresh(self) -> None:
        """Bring changes of ConfigMaps and Secrets into the volumes."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(ConfigError, ApiError, KeyError):  # what is gone stays as it was
                await self._volumes.fill(self._rewriter(self._all_mounts()))

    async def _report(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._report_once()
            except ApiError as problem:
                if problem.status == NOT_FOUND:
                    return
                await asyncio.sleep(RETRY_SECONDS)
                self.changed()

    async def _report_once(self) -> None:
        states = [container.state for container in self.containers]
        status = pod_status(self.manifest, states, self.ip, HOST_IP, timestamp())
        made = await self._shared.api.patch(
            f"{self._url}/status", {"metadata": {"uid": self.uid}, "status": status}
        )
        self.manifest["status"] = made["status"]

    async def _end(self, grace_seconds: float, delete: bool) -> None:
        begun = time.monotonic()
        if any(container.pid for container in self.containers):
            self.tell("Killing", f"Stopping containers, grace {grace_seconds:.0f} s")
        await asyncio.gather(*(container.stop(grace_seconds) for container in self._of("main", "init")))
        await self._stop_sidecars(max(grace_seconds - (time.monotonic() - begun), 0))
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=RETRY_SECONDS)
        for task in self._tasks:
            await ended(task)
        while delete:
            try:
                await self._report_once()
                body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
                await self._shared.api.request("DELETE", self._url, body)
                break
            except ApiError as problem:
                if problem.status in (NOT_FOUND, CONFLICT):
                    break
                await asyncio.sleep(RETRY_SECONDS)
        self._shared.events.forget(self.uid)

    async def _stop_sidecars(self, grace_seconds: float) -> None:
        for container in reversed(self._of("sidecar")):
            await container.stop(grace_seconds)

    def _container(self, spec: Json, kind: Kind) -> Container:
        state = ContainerState(spec["name"], spec["image"], kind)
        status = self.manifest.get("status", {})
        statuses = itertools.chain(
            status.get("initContainerStatuses", []), status.get("containerStatuses", [])
        )
        before = next((s for s in statuses if s["name"] == state.name), None)
        container = Container(spec, state, self)
        container.may_start = resumed(state, self.policy, before, timestamp())
        return container

    def _of(self, *kinds: Kind) -> list[Container]:
        return [container for container in self.containers if container.state.kind in kinds]

    def _all_mounts(self) -> tuple[tuple[str, str], ...]:
        return self._volumes.mounts(*(container.spec for container in self.containers))

    def _rewriter(self, mounts: tuple[tuple[str, str], ...]) -> Rewriter:
        found = self._shared.rewriter(self.manifest["metadata"]["namespace"], self.address)
        return replace(found, mounts=mounts)


def _kind(spec: Json) -> Kind:
    return "sidecar" if spec.get("restartPolicy") == "Always" else "init"


def _decoded(kind: str, found: Json | None) -> Json | None:
    if kind == "secrets" and found is not None:
        return {**found, "data": {k: base64.b64decode(v).decode() for k, v in found.get("data", {}).items()}}
    return found
