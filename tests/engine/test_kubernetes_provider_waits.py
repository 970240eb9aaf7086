"""How the kubernetes stand-in waits: reasons, limits, many at once, and what survives a broken run."""

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.cluster import ControlPlane
from local.kubectl import Kubectl
from tests.engine.programs.stack import NO_NODE_HAS, Stack, config_map, deployment, namespace

WAITERS = 6
BIG = "x" * 100_000
"""More than the 8 KiB that gRPC grants metadata by default, in which a partial failure carries its object."""


@pytest.fixture
def stack(
    tmp_path: Path, engine_environment: Callable[[Path], dict[str, str]], run_pulumi: Callable[..., object]
) -> Stack:
    return Stack("manifests", tmp_path, engine_environment(tmp_path), run_pulumi)


def stuck(name: str, where: str, seconds: int = 2, **annotations: str) -> dict[str, Any]:
    patience = {"pulumi.com/timeoutSeconds": str(seconds)}
    return deployment(name, where, NO_NODE_HAS, **(patience | annotations))


def test_waits_end_in_time_with_reasons_and_the_next_up_goes_on(stack: Stack, kubectl: Kubectl) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "full"}}
    job_pod = {
        "containers": [{"name": "c", "image": "i"}],
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
    }
    good = {
        "space": namespace("waits"),
        "full": namespace("full"),
        "quota": quota | {"spec": {"hard": {"pods": "0"}}},
        "job": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "job", "namespace": "waits"},
            "spec": {"template": {"spec": job_pod}},
        },
        "unwatched": deployment("unwatched", "waits", NO_NODE_HAS, **{"pulumi.com/skipAwait": "true"}),
    }
    good |= {f"map{number}": config_map({"n": str(number)}, namespace="waits") for number in range(5)}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lonely", "namespace": "waits"}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shut", "namespace": "waits"},
    }
    slow = {f"slow{number}": stuck(f"slow{number}", "waits", note=BIG) for number in range(WAITERS)}
    slow |= {
        "refused": stuck("refused", "full"),
        "lonely": service | {"spec": {"selector": {"app": "ghost"}, "ports": [{"port": 80}]}},
        "shut": ingress
        | {"spec": {"defaultBackend": {"service": {"name": "lonely", "port": {"number": 80}}}}},
    }
    after = {name: ["space"] for name in good | slow if name not in ("space", "full")}
    after |= {"quota": ["full"], "refused": ["quota"]} | {f"map{n}": [f"map{n - 1}"] for n in range(1, 5)}
    limits = {"lonely": {"custom_timeouts": {"create": "2s"}}, "shut": {"custom_timeouts": {"create": "2s"}}}
    stack.write(good | slow, after=after, options=limits)

    said = stack.refused("up", "--yes", "--skip-preview", "--parallel=64")
    assert "Insufficient nvidia.com/gpu" in said
    assert "not done after 2 seconds: 0 of 1 replicas are available" in said
    assert "exceeded quota: none" in said, "the words of the replica set reach the user"
    assert "not done after 2 seconds: no ready pod has the labels app=ghost" in said
    assert "not done after 2 seconds: no load balancer has given it an address" in said
    state = stack.resources()
    assert {*good, *slow} <= {*state}, "what exists is in the state, ready or not"
    assert {name for name, entry in state.items() if entry.get("initErrors")} == {*slow}

    ends = [datetime.fromisoformat(state[f"slow{number}"]["created"]) for number in range(WAITERS)]
    assert max(ends) - min(ends) < timedelta(seconds=6), "six waits of two seconds ran beside one another"

    for entry in slow.values():
        if entry["kind"] == "Deployment":
            entry["spec"]["template"]["spec"]["containers"][0]["resources"] = {}
            entry["metadata"]["annotations"]["pulumi.com/timeoutSeconds"] = (
                "60"  # two are too few on a busy machine
            )
    slow["refused"]["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    slow["lonely"]["spec"]["selector"] = {"app": "slow0"}
    kubectl.run("patch", "ingress", "shut", "-n", "waits", "--subresource=status", "--type=merge", "-p",
                '{"status": {"loadBalancer": {"ingress": [{"hostname": "here.example"}]}}}')  # fmt: skip
    stack.write(good | slow, after=after, options={"lonely": {"custom_timeouts": {"update": "60s"}}})
    assert f"{WAITERS + 3} updated" in stack.up()
    assert not [name for name, entry in stack.resources().items() if entry.get("initErrors")]


def test_ctrl_c_ends_the_waits_at_once_and_the_next_up_goes_on(stack: Stack) -> None:
    stack.write(
        {"space": namespace("stopped"), "slow": stuck("slow", "stopped", 60)}, after={"slow": ["space"]}
    )
    process = stack.start("up", "--yes", "--skip-preview")
    stack.said_until(process, "0 of 1 replicas are available")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=10)
    assert process.returncode != 0
    assert "cancelled: 0 of 1 replicas are available" in said
    assert "Traceback" not in said
    assert stack.resources()["slow"]["initErrors"]
    stack.write(
        {"space": namespace("stopped"), "slow": deployment("slow", "stopped")}, after={"slow": ["space"]}
    )
    assert "1 updated" in stack.up()


class Relay:
    """A way to the API server that can be shut."""

    def __init__(self, server: str) -> None:
        self._target = (urlsplit(server).hostname, urlsplit(server).port)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.open()

    def open(self) -> None:
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def shut(self) -> None:
        for entry in [self._listener, *self._sockets]:
            with suppress(OSError):
                entry.shutdown(socket.SHUT_RDWR)
            entry.close()
        self._sockets.clear()


def test_a_server_that_goes_away_during_up_orphans_nothing(stack: Stack, control_plane: ControlPlane) -> None:
    relay = Relay(control_plane.server)
    text = control_plane.kubeconfig.read_text(encoding="utf-8")
    settings = {"kubeconfig": text.replace(control_plane.server, f"https://127.0.0.1:{relay.port}")}
    resources = {
        "space": namespace("outage"),
        "slow": stuck("slow", "outage", 60),
        "map": config_map({}, namespace="outage"),
    }
    after = {"slow": ["space"], "map": ["slow"]}
    stack.write(resources, after=after, provider=settings)
    process = stack.start("up", "--yes", "--skip-preview")
    stack.said_until(process, "0 of 1 replicas are available")
    relay.shut()
    said, _ = process.communicate(timeout=20)
    assert process.returncode != 0
    assert f"cannot reach the Kubernetes API server https://127.0.0.1:{relay.port}" in said
    assert "Traceback" not in said
    assert stack.resources()["slow"]["initErrors"]
    relay.open()
    stack.write(resources | {"slow": deployment("slow", "outage")}, after=after, provider=settings)
    recovered = stack.up()
    assert "1 updated" in recovered
    assert "1 created" in recovered
    relay.shut()
