"""The laptop's Kubernetes control plane: real etcd, API server, controllers and scheduler, run by kwokctl.

Everything listens on loopback and lives in one state folder. kwok plays kubelet for the fake nodes made here:
their pods become Ready without running anything. Real pods need the process node (local/process_node.py).
"""

import fcntl
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from components.naming import POOL_LABEL
from local import kubeconfig, kwokctl, ports, processes
from local.errors import LocalError
from local.kubectl import Kubectl, cache_environment
from local.layout import EKS_TOKENS
from local.nodes import NodeSpec, fake_node_manifest, fake_volumes, is_fake
from local.private import write_private

CONTEXT = "llmserve-local"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")


@dataclass(frozen=True)
class ControlPlane:
    """How to reach a running control plane."""

    kubeconfig: Path
    context: str
    server: str


@dataclass(frozen=True)
class Status:
    """What runs of a control plane."""

    components: dict[str, int]
    """Process id of each component that lives."""
    ready: bool
    """All components live and the API server says so."""
    server: str | None


def start(state: Path, programs: Path, fake_nodes: Sequence[NodeSpec] | None) -> ControlPlane:
    """Bring the control plane in `state` up, reusing what is healthy.

    It gets exactly these fake nodes; None = nodes are left as they are. A control plane of which a part has
    died, or that was made with other settings, is started again on its own data. Raises LocalError, with the
    program's own words, if a port is taken or the start fails.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    with _lock(state):
        if not (_is_current(state, programs) and status(state, programs).ready):
            _create(state, programs)
        plane = ControlPlane(state / "kubeconfig", CONTEXT, _server(state) or "")
        if fake_nodes is not None:
            kubectl = Kubectl(programs / "kubectl", plane.kubeconfig)
            keep_nodes(kubectl, POOL_LABEL, [fake_node_manifest(node) for node in fake_nodes])
    return plane


def stop(state: Path, programs: Path) -> list[str]:
    """End every process of the control plane in `state`, delete its files, return what ran."""
    state = state.resolve()
    if not state.is_dir():
        return []
    with _lock(state):
        running = sorted(_running(state))
        if (_cluster_folder(state) / "kwok.yaml").is_file() and (programs / "kwokctl").exists():
            _forget_strangers(state)
            _kwokctl(
                state, programs, "delete", "cluster", f"--kubeconfig={state / 'kubeconfig'}", check=False
            )
        _stop_all(state)
        shutil.rmtree(_work_folder(state), ignore_errors=True)
        shutil.rmtree(state / "kubectl-cache", ignore_errors=True)
        for name in ("kubeconfig", "ports.json", EKS_TOKENS):
            (state / name).unlink(missing_ok=True)
    (state / "cluster.lock").unlink(missing_ok=True)
    return running


def status(state: Path, programs: Path) -> Status:
    """Return what runs now."""
    state = state.resolve()
    components = {name: found[0].pid for name, found in _running(state).items()}
    config = state / "kubeconfig"
    whole = len(components) == len(COMPONENTS) and config.is_file()
    ready = whole and Kubectl(programs / "kubectl", config).is_ready()
    return Status(components, ready, _server(state))


def write_kubeconfig(state: Path, context: str, path: Path) -> None:
    """Write a kubeconfig that reaches the control plane in `state` under the name `context`."""
    kubeconfig.write(path, context, _server(state) or "", _cluster_folder(state) / "pki")


def keep_nodes(
    kubectl: Kubectl, selector: str, manifests: Sequence[Mapping[str, Any]], *, drain: bool = False
) -> None:
    """Make the nodes that match a label selector exactly these fake ones, and wait until they are Ready.

    With `drain` the pods leave first; a pod whose node is simply gone stays for most of a minute.
    """
    wanted = [manifest["metadata"]["name"] for manifest in manifests]
    present = kubectl.list("nodes", "-l", selector)
    gone = {n["metadata"]["name"] for n in present if n["metadata"]["name"] not in wanted or not is_fake(n)}
    if gone and drain:
        flags = ("--force", "--ignore-daemonsets", "--delete-emptydir-data", "--disable-eviction")
        kubectl.run("drain", *flags, "--grace-period=0", "--timeout=50s", *sorted(gone))
    if gone:
        kubectl.run("delete", "node", *sorted(gone))
        # kwok would wait for the end of a lease that another still holds.
        kubectl.run("delete", "lease", *sorted(gone), "--namespace=kube-node-lease", "--ignore-not-found")
    if manifests:
        kubectl.apply(*manifests, *fake_volumes())
        # Status goes by its own request, which alone may change it later.
        kubectl.apply(*manifests, subresource="status")
        kubectl.run("wait", "--for=condition=Ready", "--timeout=30s", "nodes", *wanted)


def cluster_name(state: Path) -> str:
    """Return a name that no other checkout's control plane has."""
    return f"llmserve-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]}"


def _create(state: Path, programs: Path) -> None:
    """Start all components, on the data of an earlier start if there is some."""
    work = _work_folder(state)
    _stop_all(state)
    _forget_strangers(state)
    kept = state / "ports.json"
    listen = ports.remembered(kept) or ports.choose(str(state))
    ports.require_free(listen, kept)
    ports.remember(kept, listen)
    if not (state / EKS_TOKENS).is_file():
        write_private(state / EKS_TOKENS, f"{secrets.token_urlsafe(32)},eks-user,eks-user,system:masters\n")
    work.mkdir(exist_ok=True)
    (_cluster_folder(state) / "kwok.yaml").unlink(missing_ok=True)
    shutil.rmtree(_cluster_folder(state) / "bin", ignore_errors=True)
    (work / "kwokctl.yaml").write_text(_configuration(state, programs, listen), encoding="utf-8")
    _kwokctl(state, programs, "create", "cluster", "--kubeconfig=", "--wait=60s")
    write_kubeconfig(state, CONTEXT, state / "kubeconfig")
    now = status(state, programs)
    if now.ready:
        # A kwok that was killed still holds its nodes' leases; the new one would wait 40 s for their end.
        kubectl = Kubectl(programs / "kubectl", state / "kubeconfig")
        kubectl.run("delete", "leases", "--all", "--namespace=kube-node-lease")
        # Until the controllers have made it, no pod is admitted.
        kubectl.run("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    else:
        dead = sorted(set(COMPONENTS) - set(now.components)) or ["the API server"]
        logs = _cluster_folder(state) / "logs"
        raise LocalError(f"the control plane did not come up: {', '.join(dead)} not ready. Its logs: {logs}")


def _configuration(state: Path, programs: Path, listen: dict[str, int]) -> str:
    pki, tokens = _cluster_folder(state) / "pki", state / EKS_TOKENS
    return json.dumps(kwokctl.configuration(programs.resolve(), listen, pki, tokens))


def _is_current(state: Path, programs: Path) -> bool:
    """Whether what runs was started with the settings of this version of the code."""
    written, listen = _work_folder(state) / "kwokctl.yaml", ports.remembered(state / "ports.json")
    if listen is None or not written.is_file():
        return False
    return written.read_text(encoding="utf-8") == _configuration(state, programs, listen)


def _kwokctl(state: Path, programs: Path, *arguments: str, check: bool = True) -> None:
    options = [f"--name={cluster_name(state)}", f"--config={_work_folder(state) / 'kwokctl.yaml'}"]
    environment = (
        {"KWOK_WORKDIR": str(_work_folder(state))} | cache_environment(state) | processes.mark(state)
    )
    kwokctl.run(programs / "kwokctl", [*arguments, *options], environment, check=check)


def _forget_strangers(state: Path) -> None:
    """Delete pid files of processes that are gone or not ours: kwokctl trusts them, and kills by them."""
    mine = {process.pid for group in _running(state).values() for process in group}
    for path in (_cluster_folder(state) / "pids").glob("*.pid"):
        if path.read_text(encoding="utf-8") not in map(str, mine):
            path.unlink()


def _running(state: Path) -> dict[str, list[psutil.Process]]:
    found = processes.ours(state)
    return {name: found[name] for name in COMPONENTS if name in found}


def _stop_all(state: Path) -> None:
    processes.kill(process for group in _running(state).values() for process in group)


def _work_folder(state: Path) -> Path:
    return state / "kwok"


def _cluster_folder(state: Path) -> Path:
    return _work_folder(state) / "clusters" / cluster_name(state)


def _server(state: Path) -> str | None:
    listen = ports.remembered(state / "ports.json")
    return f"https://{ports.LOOPBACK}:{listen['kube-apiserver']}" if listen else None


@contextmanager
def _lock(state: Path) -> Iterator[None]:
    with (state / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
