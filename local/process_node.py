"""The process node of a laptop run: started by `make up`, found again by the next, ended by `make down`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

import local.node
from components.naming import POOL_LABEL
from local import ports, processes
from local.errors import LocalError
from local.kubectl import Kubectl
from local.layout import Layout
from local.node import READY_LINE
from local.nodes import NodeSpec, is_fake, node_manifest

START_SECONDS = 40
STOP_SECONDS = 15
"""Pods get about 3 s of it (docs/laptop.md)."""
WARDEN_SECONDS = 5
POLL_SECONDS = 0.1
TAIL_LINES = 15
GATEWAY, PROMETHEUS = "gateway", "prometheus"


@dataclass(frozen=True)
class Services:
    """Namespace and name of the Services that get a fixed port on this machine."""

    gateway: tuple[str, str]
    prometheus: tuple[str, str] | None
    """Also where the node asks for external metrics."""


def start(layout: Layout, nodes: Sequence[NodeSpec], services: Services, ollama: str | None) -> bool:
    """Have the nodes run; return whether that needed a start.

    A process that runs with the same nodes, arguments and code is left alone, another is replaced.
    `ollama` is the real one, None = simulated. Raises LocalError, with the end of the node's log, if it does
    not start.
    """
    kubectl = Kubectl(layout.programs / "kubectl", layout.kubeconfig)
    manifests = json.dumps([node_manifest(node) for node in nodes], indent=1)
    command = _command(layout, services, ollama)
    made_from = hashlib.sha256("\0".join([*command, manifests, _code()]).encode()).hexdigest()
    stamp = layout.node / "made-from"
    if is_running(layout) and stamp.is_file() and stamp.read_text(encoding="utf-8") == made_from:
        return False
    stop(layout)
    _require_free_port(layout)
    _forget_other_nodes(kubectl, {node.name for node in nodes})
    layout.node.mkdir(exist_ok=True, mode=0o700)
    layout.logs.mkdir(exist_ok=True)
    (layout.node / "nodes.json").write_text(manifests, encoding="utf-8")
    with log_file(layout).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=layout.root,
            env=os.environ | processes.mark(layout.state),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _wait_for_start(layout, process)
    stamp.write_text(made_from, encoding="utf-8")
    return True


def stop(layout: Layout) -> bool:
    """End the node and with it all pods' processes; return whether there was one."""
    found = _processes(layout)
    ids = {process.pid for process in found}
    warden = [process for process in found if process.is_running() and process.ppid() in ids]
    nodes = [process for process in found if process not in warden]
    for process in nodes:
        process.terminate()
    _, left = psutil.wait_procs(nodes, timeout=STOP_SECONDS)
    processes.kill(left)
    # It ends what is left of the pods once the node is gone, and then itself.
    _, left = psutil.wait_procs(warden, timeout=WARDEN_SECONDS)
    processes.kill(left)
    return bool(nodes)


def is_running(layout: Layout) -> bool:
    """Whether the process lives."""
    return bool(_processes(layout))


def real_ollama() -> str:
    """Path of the `ollama` on PATH; raise LocalError if there is none."""
    found = shutil.which("ollama")
    if found is None:
        raise LocalError("--real-ollama: no ollama on PATH; install it, or leave the option out")
    return found


def gateway_url(layout: Layout) -> str | None:
    """Where the gateway answers on this machine; None if no process node runs."""
    return _url(layout, GATEWAY)


def prometheus_url(layout: Layout) -> str | None:
    """Where the stack's own Prometheus answers on this machine; None if no process node runs."""
    return _url(layout, PROMETHEUS)


def _url(layout: Layout, name: str) -> str | None:
    kept = ports.remembered(_ports_file(layout))
    return f"http://{ports.LOOPBACK}:{kept[name]}" if kept and is_running(layout) else None


def log_file(layout: Layout) -> Path:
    """Return what the process says."""
    return layout.logs / "node.log"


def _command(layout: Layout, services: Services, ollama: str | None) -> list[str]:
    kept = ports.remembered(_ports_file(layout))
    if kept is None:
        kept = ports.choose(str(layout.state), [GATEWAY, PROMETHEUS])
        ports.remember(_ports_file(layout), kept)
    watch = "/".join(services.prometheus) if services.prometheus else None
    return [
        *(sys.executable, "-m", local.node.__name__),
        *("--kubeconfig", str(layout.kubeconfig)),
        *("--state", str(layout.node)),
        *("--nodes", str(layout.node / "nodes.json")),
        *("--publish", f"{kept[GATEWAY]}={'/'.join(services.gateway)}"),
        *(("--publish", f"{kept[PROMETHEUS]}={watch}", "--prometheus-service", watch) if watch else ()),
        *(("--program", f"ollama={ollama}") if ollama else ()),
    ]


def _code() -> str:
    """Text of the node's own files: a node of an older version is replaced."""
    folder = Path(local.node.__file__).parent
    return "\0".join(path.read_text("utf-8") for path in sorted(folder.glob("*.*")))


def _require_free_port(layout: Layout) -> None:
    ports.require_free(ports.remembered(_ports_file(layout)) or {}, _ports_file(layout))


def _ports_file(layout: Layout) -> Path:
    return layout.state / "node-ports.json"


def _processes(layout: Layout) -> list[psutil.Process]:
    """Return the node and its warden: same command line, one the other's child."""
    return [
        process for group in processes.ours(layout.state).values() for process in group if _is_node(process)
    ]


def _is_node(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[1:3] == ["-m", local.node.__name__]
    except psutil.Error:
        return False


def _forget_other_nodes(kubectl: Kubectl, wanted: set[str]) -> None:
    """Delete Node objects of kwok's and of pools that are gone; their pods are then made anew elsewhere."""
    present = kubectl.list("nodes", "-l", POOL_LABEL)
    gone = [n["metadata"]["name"] for n in present if is_fake(n) or n["metadata"]["name"] not in wanted]
    if gone:
        kubectl.run("delete", "node", *sorted(gone))


def _wait_for_start(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        said = log_file(layout).read_text("utf-8", errors="replace")
        if READY_LINE in said:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            why = f"did not start in {START_SECONDS} s" if process.poll() is None else "ended"
            tail = "\n".join(said.splitlines()[-TAIL_LINES:])
            raise LocalError(f"the process node {why}; it said, at the end of {log_file(layout)}:\n{tail}")
        time.sleep(POLL_SECONDS)
