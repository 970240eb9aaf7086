"""The real control plane: started twice, side by side, half dead, and gone without a trace."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from local import cluster, ports, processes
from local.errors import LocalError
from local.kubectl import Kubectl
from local.nodes import nodes_of

GPU_POOL = {"l4": {"instance_type": "g6.12xlarge", "max": 2}}
ONE_NODE = nodes_of({"pools": {"cpu": {"instance_type": "m7i.large", "max": 1}}})
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "quota", "namespace": "rules"},
    "spec": {"hard": {"pods": "1"}},
}


def pod(name: str, gpus: int = 0, **metadata: Any) -> dict[str, Any]:
    limits = {"cpu": "100m", "memory": "64Mi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    container = {
        "name": "main",
        "image": "example:1",
        "resources": {"limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists"}] if gpus else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"containers": [container], "tolerations": tolerations},
    }


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def listeners(found: dict[str, list[psutil.Process]]) -> list[Any]:
    every = [process for group in found.values() for process in group]
    return [c for process in every for c in process.net_connections() if c.status == psutil.CONN_LISTEN]


@pytest.fixture(scope="module")
def mine(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """State folder of a control plane that the tests of this file may break."""
    state = tmp_path_factory.mktemp("mine")
    cluster.start(state, programs, ONE_NODE)
    yield state
    cluster.stop(state, programs)


def test_a_second_start_reuses_what_is_healthy(mine: Path, programs: Path) -> None:
    before = cluster.status(mine, programs)

    plane = cluster.start(mine, programs, ONE_NODE)

    assert cluster.status(mine, programs) == before, "the same processes serve"
    assert plane.context == "llmserve-local"
    assert plane.server == before.server


def test_everything_listens_on_loopback_only(mine: Path) -> None:
    found = listeners(processes.ours(mine))

    assert {c.laddr.ip for c in found} == {"127.0.0.1"}
    assert {c.laddr.port for c in found} == set((ports.remembered(mine / "ports.json") or {}).values())


def test_the_kubeconfig_is_private(mine: Path) -> None:
    assert (mine / "kubeconfig").stat().st_mode & 0o777 == 0o600
    assert "127.0.0.1" in (mine / "kubeconfig").read_text()


def test_a_control_plane_with_a_dead_part_starts_again_on_its_data(mine: Path, programs: Path) -> None:
    before = cluster.status(mine, programs)
    Kubectl(programs / "kubectl", mine / "kubeconfig").apply(namespace("kept"))
    psutil.Process(before.components["etcd"]).kill()
    psutil.Process(before.components["etcd"]).wait(5)
    assert not cluster.status(mine, programs).ready

    plane = cluster.start(mine, programs, ONE_NODE)

    assert cluster.status(mine, programs).ready
    assert plane.server == before.server, "ports are pinned"
    assert "kept" in Kubectl(programs / "kubectl", plane.kubeconfig).run("get", "namespaces", "-o", "name")


def test_a_stale_pid_file_never_ends_a_stranger(mine: Path) -> None:
    pids = next((mine / "kwok" / "clusters").iterdir()) / "pids"
    (pids / "stranger.pid").write_text(str(os.getpid()))

    cluster._forget_strangers(mine)

    assert not (pids / "stranger.pid").exists()
    assert (pids / "etcd.pid").exists(), "our own stay"


def test_two_checkouts_run_side_by_side_and_a_half_broken_one_is_stopped_alone(
    mine: Path, programs: Path, tmp_path: Path
) -> None:
    try:
        other = cluster.start(tmp_path, programs, [])
        assert other.server != cluster.status(mine, programs).server
        assert Kubectl(programs / "kubectl", other.kubeconfig).list("nodes") == []
        for pattern in ("kwok.yaml", "*.pid"):
            for path in (tmp_path / "kwok").rglob(pattern):
                path.unlink()
    finally:
        cluster.stop(tmp_path, programs)

    assert processes.ours(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    assert cluster.status(mine, programs).ready, "stopping one leaves the other alone"


def test_nodes_follow_the_pools(mine: Path, programs: Path) -> None:
    kubectl = Kubectl(programs / "kubectl", mine / "kubeconfig")
    cluster.start(mine, programs, nodes_of({"pools": GPU_POOL}))
    cluster.start(mine, programs, [replace(ONE_NODE[0], instance_type="m7i.xlarge")])

    nodes = kubectl.list("nodes")

    assert [node["metadata"]["name"] for node in nodes] == ["cpu-0"], "nodes of a removed pool go"
    assert nodes[0]["status"]["allocatable"]["cpu"] == "3920m", "a pool's new instance type arrives"


def test_a_port_that_was_taken_meanwhile_is_named_with_its_owner(programs: Path, tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        ports.remember(tmp_path / "ports.json", ports.choose(str(tmp_path)) | {"etcd": port})

        with pytest.raises(
            LocalError, match=rf"port {port} of etcd is taken by python.*\(pid {os.getpid()}\)"
        ):
            cluster.start(tmp_path, programs, ONE_NODE)

    assert processes.ours(tmp_path) == {}, "nothing was started"


def test_the_scheduler_counts_gpus(kubectl: Kubectl) -> None:
    kubectl.apply(pod("too-big", gpus=2))
    kubectl.run("wait", "--for=condition=PodScheduled=False", "pod/too-big", "--timeout=10s")

    (found,) = kubectl.list("pods", "--field-selector=metadata.name=too-big")

    assert "Insufficient nvidia.com/gpu" in found["status"]["conditions"][0]["message"]
    kubectl.run("delete", "pod", "too-big")


def test_a_pod_on_a_simulated_node_becomes_ready(kubectl: Kubectl) -> None:
    kubectl.apply(pod("fits", gpus=1))
    kubectl.run("wait", "--for=condition=Ready", "pod/fits", "--timeout=20s")
    kubectl.run("delete", "pod", "fits")


def test_quota_and_pod_security_are_enforced(kubectl: Kubectl) -> None:
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.apply(namespace("rules", **enforce))
    kubectl.apply(QUOTA)
    kubectl.apply(pod("first", namespace="rules"))

    with pytest.raises(LocalError, match="exceeded quota"):
        kubectl.apply(pod("second", namespace="rules"))
    privileged = pod("third", namespace="rules")
    privileged["spec"]["hostNetwork"] = True
    with pytest.raises(LocalError, match="violates PodSecurity"):
        kubectl.apply(privileged)
    kubectl.run("delete", "namespace", "rules", "--wait=false")


def test_stopping_leaves_no_process_no_listener_and_no_file(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, home = tmp_path / "state", tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    cluster.start(state, programs, ONE_NODE)
    used = (ports.remembered(state / "ports.json") or {}).values()

    stopped = cluster.stop(state, programs)

    assert stopped == sorted(cluster.COMPONENTS)
    assert processes.ours(state) == {}
    assert {port: ports.owner(port) for port in used if not ports.is_free(port)} == {}
    assert list(state.iterdir()) == []
    assert list(home.iterdir()) == [], "no ~/.kube and no ~/.kwok came into being"
    assert cluster.stop(state, programs) == [], "stopping again is fine"
