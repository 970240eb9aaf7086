"""Traffic while things change: rollouts, kills, drains, an absent API server, scaling, a crash of the node.

Every "nothing is lost" has a control beside it that must lose, or the rig could not see a loss at all.
"""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import pytest
import requests

from local import processes
from tests.e2e import load
from tests.e2e.conftest import Rig, Space, address, is_ready
from tests.e2e.manifests import app_config, container, deployment, pod_spec, service

PRESTOP_SECONDS = 3
STREAMS = (0.1, 0.1, 0.1, 5.0)
RATE = 20


def _deployment(tag: str, prestop_seconds: int, replicas: int = 2, grace_seconds: int = 30) -> dict[str, Any]:
    spec = pod_spec(container(prestop_seconds), grace_seconds=grace_seconds)
    scrape = {"prometheus.io/scrape": "true", "prometheus.io/port": "8000", "tag": tag}
    return deployment("web", replicas, spec, **scrape)


def _up(space: Space, prestop_seconds: int, replicas: int = 2, grace_seconds: int = 30) -> None:
    space.apply(app_config(), service("web"), _deployment("one", prestop_seconds, replicas, grace_seconds))
    space.run("rollout", "status", "deploy/web", "--timeout=30s")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            requests.get(_url(space), timeout=2)
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail("the Service was not reachable in 10 s")


def _url(space: Space) -> str:
    return f"http://127.0.0.1:{space.rig.gateway_port}"


def _load(space: Space, work: Callable[[], Awaitable[None]]) -> Counter[str]:
    return asyncio.run(load.during(_url(space), work, rate=RATE, stream_seconds=STREAMS))


async def _roll(space: Space, tag: str, prestop_seconds: int, grace_seconds: int = 30) -> None:
    await asyncio.sleep(0.5)
    await asyncio.to_thread(space.apply, _deployment(tag, prestop_seconds, grace_seconds=grace_seconds))
    await asyncio.to_thread(space.run, "rollout", "status", "deploy/web", "--timeout=60s")
    await asyncio.sleep(PRESTOP_SECONDS + 1)


@pytest.mark.parametrize("space", ["gateway"], indirect=True)
def test_rolls_kills_drains_and_absences_under_load(rig: Rig, space: Space) -> None:
    _up(space, PRESTOP_SECONDS)
    good = _load(space, lambda: _roll(space, "two", PRESTOP_SECONDS))
    assert load.lost(good) == 0, f"a roll with preStop: {good}"
    good = _load(space, lambda: _drain(space))
    assert load.lost(good) == 0, f"a node drain under a PodDisruptionBudget: {good}"
    good = _load(space, lambda: _pause_api_server(rig))
    assert load.lost(good) == 0, f"API server away for 10 s: {good}"
    _kill_one(space)
    cut = _load(space, lambda: _roll(space, "three", 1, grace_seconds=2))
    assert load.lost(cut) == 0, f"the pods that ended had grace enough: {cut}"
    cut = _load(space, lambda: _roll(space, "four", 0))
    assert load.lost(cut) > 0, f"control, grace shorter than preStop and streams: {cut}"
    cut = _load(space, lambda: _roll(space, "five", 0))
    assert load.lost(cut) > 0, f"control, no preStop: {cut}"
    assert rig.process is not None
    assert psutil.Process(rig.process.pid).num_fds() < 50, "forwarded connections are closed"
    _crash_the_node(rig, space)


async def _drain(space: Space) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    await asyncio.to_thread(space.apply, budget)
    node = space.list("pods")[0]["spec"]["nodeName"]
    await asyncio.to_thread(space.run, "drain", node, "--ignore-daemonsets", "--force", "--timeout=50s")
    await asyncio.to_thread(space.run, "uncordon", node)
    await asyncio.to_thread(space.run, "rollout", "status", "deploy/web", "--timeout=30s")


async def _pause_api_server(rig: Rig) -> None:
    (server,) = processes.ours((rig.folder / "state").resolve())["kube-apiserver"]
    server.suspend()
    try:
        await asyncio.sleep(10)
    finally:
        server.resume()
    await asyncio.sleep(2)


def _kill_one(space: Space) -> None:
    """A killed process is out of the Service at once, and is started again."""
    victim = space.list("pods")[0]
    name = victim["metadata"]["name"]
    before = victim["status"]["containerStatuses"][0]["restartCount"]
    (process,) = [p for p in space.rig.pod_processes() if p.environ().get("HOSTNAME") == name]
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)

    def in_service() -> bool:
        (piece,) = space.list("endpointslices")
        return any(e["targetRef"]["name"] == name and e["conditions"]["ready"] for e in piece["endpoints"])

    while in_service():
        assert time.monotonic() - begun < 1, "a dead endpoint must be out within a second"
    again = _ready_again(space, name, before + 1)
    ended = again["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")


def _ready_again(space: Space, name: str, restarts: int) -> dict[str, Any]:
    return space.pod_when(name, lambda pod: is_ready(pod) and _restarts(pod) == restarts)


def _restarts(pod: dict[str, Any]) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def _crash_the_node(rig: Rig, space: Space) -> None:
    """kill -9 of the node ends all pods' processes; the next one starts them again and counts it."""
    before = {p["metadata"]["name"]: _restarts(p) for p in space.list("pods")}
    rig.stop_node(signal.SIGKILL)
    time.sleep(1)
    assert rig.pod_processes() == [], "orphans"
    with pytest.raises(requests.ConnectionError):
        requests.get(_url(space), timeout=2)
    rig.start_node()
    for name, count in before.items():
        again = _ready_again(space, name, count + 1)
        assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    rig.stop_node()
    assert rig.pod_processes() == [], "a clean stop leaves nothing either"
    status = {c["type"]: c["status"] for c in rig.kubectl.list("nodes")[0]["status"]["conditions"]}
    assert status["Ready"] == "False"
    rig.start_node()
    space.run("wait", "--for=condition=Available", "--timeout=20s", "deploy/web")


def test_an_autoscaler_follows_a_scraped_metric_up_and_down(space: Space) -> None:
    metric = {"metric": {"name": "app_load"}, "target": {"type": "AverageValue", "averageValue": "5"}}
    quick = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"type": "Pods", "pods": metric}],
            "behavior": {"scaleUp": quick, "scaleDown": quick},
        },
    }
    space.apply(app_config(), _deployment("one", 0, replicas=1), scaler)
    space.run("rollout", "status", "deploy/web", "--timeout=30s")
    (first,) = space.list("pods")
    requests.get(f"{address(first)}/load?value=15", timeout=5)
    assert _replicas_become(space, 3) == 3
    raw = space.run(
        "get", "--raw", f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{space.name}/pods/*/app_load"
    )
    values = sorted(item["value"] for item in json.loads(raw)["items"])
    assert values == ["0m", "0m", "15000m"], "colons of metric names become underscores"
    requests.get(f"{address(first)}/load?value=0", timeout=5)
    assert _replicas_become(space, 1) == 1


def _replicas_become(space: Space, wanted: int) -> int:
    deadline = time.monotonic() + 60
    while (found := space.get("deploy", "web")["status"].get("readyReplicas", 0)) != wanted:
        if time.monotonic() > deadline:
            pytest.fail(f"{found} replicas, {wanted} expected: {space.get('hpa', 'web')['status']}")
        time.sleep(0.5)
    return wanted
