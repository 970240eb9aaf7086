"""A real control plane and process nodes, in a temporary folder, shared by the tests of this tier.

Proves: scheduling, rollouts, endpoints, evictions, autoscaling by the real controllers, with pods that are
real processes. Does not prove: isolation, images, anything of a GPU.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local import cluster, ports
from local.kubectl import Kubectl
from local.layout import find
from local.node import READY_LINE

ROOT = Path(__file__).parent.parent.parent
POLL_SECONDS = 0.1


class Rig:
    """The control plane, and the process that runs its nodes."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        self.state = folder / "node"
        self.gateway_port = next(p for p in range(18081, 19000) if ports.is_free(p))
        self.kubectl: Kubectl
        self.process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start_control_plane(self) -> None:
        plane = cluster.start(self.folder / "state", self.programs, None)
        self.kubectl = Kubectl(self.programs / "kubectl", plane.kubeconfig)

    def start_node(self) -> None:
        """Start the nodes and wait until they are ready."""
        arguments = {
            "--kubeconfig": self.kubectl.kubeconfig,
            "--state": self.state,
            "--nodes": self.folder / "nodes.json",
            "--publish": f"{self.gateway_port}=gateway/web",
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        log_path = self.folder / "node.log"
        self._starts += 1
        log = log_path.open("ab")
        environment = os.environ | {"SECRET_OF_THE_USER": "must not reach a pod"}
        command = [sys.executable, "-m", "local.node", *words]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
        log.close()
        deadline = time.monotonic() + 20
        while log_path.read_text("utf-8").count(READY_LINE) < self._starts:
            assert time.monotonic() < deadline, log_path.read_text("utf-8")
            assert self.process.poll() is None, log_path.read_text("utf-8")
            time.sleep(POLL_SECONDS)

    def stop_node(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the node and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)
            self.process = None

    def pod_processes(self) -> list[psutil.Process]:
        """Processes that were started for pods."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("LLMSERVE_NODE_STATE", "").startswith(f"{self.state}#"):
                    found.append(process)
            except psutil.Error:
                continue
        return found


class Space:
    """One namespace, for one test."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.rig, self.name = rig, name
        rig.kubectl.run("create", "namespace", name)

    def apply(self, *objects: dict[str, Any]) -> None:
        for thing in objects:
            thing["metadata"]["namespace"] = self.name
        self.rig.kubectl.apply(*objects)

    def run(self, *arguments: str) -> str:
        return self.rig.kubectl.run("-n", self.name, *arguments)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("get", kind, name, "-o", "json"))
        return found

    def list(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        return self.rig.kubectl.list(kind, "-n", self.name, *arguments)

    def pod_when(
        self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 15
    ) -> dict[str, Any]:
        """Return the pod as soon as it is as wanted; fail with its status otherwise."""
        deadline = time.monotonic() + seconds
        while True:
            pod = self.get("pod", name)
            if holds(pod):
                return pod
            if time.monotonic() > deadline:
                pytest.fail(f"pod {name} after {seconds} s: {json.dumps(pod['status'], indent=1)}")
            time.sleep(POLL_SECONDS)

    def ready(self, name: str, seconds: float = 15) -> dict[str, Any]:
        return self.pod_when(name, is_ready, seconds)


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the pod's condition Ready holds."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def address(pod: dict[str, Any]) -> str:
    """Where the test server of a pod listens."""
    return f"http://127.{pod['status']['podIP'].partition('.')[2]}:8000"


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    layout = find(ROOT)
    assert layout is not None
    made = Rig(folder, layout.programs)
    made.start_control_plane()
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "50", "nvidia.com/gpu": "1"}
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        for name in ("node-0", "node-1")
    ]
    (folder / "nodes.json").write_text(json.dumps(nodes), encoding="utf-8")
    try:
        made.start_node()
        yield made
    finally:
        made.stop_node()
        cluster.stop(folder / "state", layout.programs)
        left = made.pod_processes()
        assert left == [], f"processes of pods outlived the node: {left}"


@pytest.fixture
def space(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Space]:
    name = getattr(request, "param", None) or f"t{abs(hash(request.node.name)) % 10**8}"
    made = Space(rig, name)
    yield made
    made.run("delete", "deploy,hpa,job,pod,service", "--all", "--grace-period=0", "--force", "--wait=false")
