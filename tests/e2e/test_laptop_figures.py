"""The whole laptop stack under load while it is changed: real LiteLLM, simulated engines, no retries.

Every "nothing is lost" has a control that must lose, or the rig could not see a loss at all. Proves drain,
preStop and grace as rendered, by the real controllers. Does not prove times: engines are simulated, and the
network reaches pods through the node's forwarder.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.load_report import NOBODY, Ask
from tests.e2e.laptop_stack import RATE, SHORT, Stack, lost, make_laptop, until

API_SERVER_AWAY_SECONDS = 10


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    checkout = make_laptop(tmp_path_factory.mktemp("laptop"))
    own = Path(__file__).with_name("laptop_figures.yaml").read_text(encoding="utf-8")
    checkout.layout.stack_file("local").write_text(own, encoding="utf-8")
    try:
        checkout.run("up")
        yield Stack(checkout)
    finally:
        checkout.run("down")


def test_nothing_is_lost_while_the_gateway_rolls_to_other_weights(stack: Stack) -> None:
    path = stack.checkout.layout.stack_file("local")
    before = path.read_text(encoding="utf-8")

    def turn() -> None:
        path.write_text(before.replace("{one: 90, two: 10}", "{one: 10, two: 90}"), encoding="utf-8")
        stack.checkout.run("up")
        stack.rolled("gateway")

    report = stack.load_during(turn)
    assert lost(report) == {}
    after = stack.load_during(lambda: time.sleep(6), rate=20, mix=(SHORT,))
    share = {row["version"]: row["requests"] / after["requests"] for row in after["versions"]}
    assert lost(after) == {}
    assert share["chat-two"] > 0.7, f"the new weights must be at work: {share}"


def test_nothing_is_lost_while_an_engine_rolls(stack: Stack) -> None:
    version = stack.busy()
    report = stack.load_during(lambda: stack.roll(f"chat-{version}"))
    assert lost(report) == {}


def test_nothing_is_lost_while_gateway_and_engines_roll_at_once(stack: Stack) -> None:
    report = stack.load_during(lambda: stack.roll("gateway", "chat-one", "chat-two"))
    assert lost(report) == {}


def test_nothing_is_lost_while_routers_and_the_engines_behind_them_roll(stack: Stack) -> None:
    report = stack.load_during(lambda: stack.roll("routed-one", "routed-one-router"), model="routed")
    assert lost(report) == {}


def test_nothing_is_lost_while_the_nodes_of_an_engine_and_a_gateway_are_drained(stack: Stack) -> None:
    version = stack.busy()
    engine = stack.pods("chat", version)[0]["node"]
    gateway = next(pod["node"] for pod in stack.status()["pods"] if pod["name"].startswith("gateway-"))

    def drain() -> None:
        nodes = (engine, gateway)
        stack.kubectl.run("drain", *nodes, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=55s")
        stack.kubectl.run("uncordon", *nodes)
        stack.rolled("gateway", f"chat-{version}")

    report = stack.load_during(drain)
    assert lost(report) == {}
    assert engine not in [pod["node"] for pod in stack.pods("chat", version)], "the engine must have moved"


def test_nothing_is_lost_while_the_api_server_is_away(stack: Stack) -> None:
    server = stack.checkout.component("kube-apiserver")

    def away() -> None:
        server.suspend()
        try:
            time.sleep(API_SERVER_AWAY_SECONDS)
        finally:
            server.resume()

    report = stack.load_during(away)
    assert lost(report) == {}
    until(lambda: stack.status()["control_plane"]["ready"], 30, "the API server is not back")


def test_the_same_roll_loses_requests_with_too_short_a_grace_and_without_prestop(stack: Stack) -> None:
    engine = f"chat-{stack.busy()}"
    deployment = json.loads(stack.run("get", "deployment", engine, "-o", "json"))
    spec = deployment["spec"]["template"]["spec"]
    name, lifecycle = spec["containers"][0]["name"], spec["containers"][0]["lifecycle"]
    grace = spec["terminationGracePeriodSeconds"]

    stack.change(engine, {"terminationGracePeriodSeconds": 5})
    without_prestop = {
        "terminationGracePeriodSeconds": grace,
        "containers": [{"name": name, "lifecycle": None}],
    }
    long_streams = (SHORT, SHORT, SHORT, Ask(True, 90))
    report = stack.load_during(lambda: stack.change(engine, without_prestop), mix=long_streams)
    assert lost(report), "control: pods had 5 s of grace for streams of 9 s"
    as_rendered = {"containers": [{"name": name, "lifecycle": lifecycle}]}
    report = stack.load_during(lambda: stack.change(engine, as_rendered))
    assert lost(report), "control: pods had no preStop"


def test_a_killed_engine_loses_its_own_requests_only_and_comes_back(stack: Stack) -> None:
    version = stack.busy()
    victim = stack.pods("chat", version)[0]
    streams = (Ask(True, 30),)

    def kill() -> None:
        os.kill(victim["pid"], signal.SIGKILL)
        killed = time.monotonic()
        while stack.serves(victim["name"]):
            assert time.monotonic() - killed < 1, "a dead engine is an endpoint for too long"

        def back() -> bool:
            (row,) = [pod for pod in stack.pods("chat", version) if pod["name"] == victim["name"]]
            return bool(row["ready"] and row["restarts"] == victim["restarts"] + 1)

        until(back, 30, "the engine is not Ready again with one restart more")

    report = stack.load_during(kill, mix=streams)
    by_pod = dict(report["lost_by_pod"])
    not_begun = by_pod.pop(NOBODY, 0)  # sent to it in the second until its endpoint was out
    assert not_begun <= RATE, lost(report)
    assert set(by_pod) == {victim["name"]}, f"only requests of the killed pod may be lost: {by_pod}"
    assert not any("silent" in reason for reason in lost(report)), "nobody may hang"


def test_more_gpus_than_there_are_leave_pods_pending_and_status_says_why(stack: Stack) -> None:
    def replicas(count: int) -> None:
        patch = json.dumps({"spec": {"minReplicas": count, "maxReplicas": count}})
        stack.run("patch", "hpa", "chat-one", "--type=merge", "--patch", patch)

    replicas(9)
    try:
        until(
            lambda: any(p["phase"] == "Pending" for p in stack.pods("chat", "one")), 40, "nothing is Pending"
        )
        reasons: list[str] = []

        def told() -> bool:
            reasons[:] = [p["why_not_ready"] or "" for p in stack.pods("chat", "one") if not p["node"]]
            return bool(reasons) and all("Insufficient nvidia.com/gpu" in reason for reason in reasons)

        until(told, 20, f"status must give the scheduler's words: {reasons}")
        assert "Insufficient nvidia.com/gpu" in stack.checkout.run("status")
    finally:
        replicas(2)
        until(lambda: len(stack.pods("chat", "one")) == 2, 60, "more than two pods are left")


def test_the_autoscaler_follows_the_queue_from_one_to_three_and_back_and_nothing_is_lost(
    stack: Stack,
) -> None:
    quick = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}
    patch = json.dumps({"spec": {"behavior": {"scaleUp": quick, "scaleDown": quick}}})
    # Only its patience is shortened, minutes in the rendered one; metrics and targets stay.
    stack.run("patch", "hpa", "queue-one", "--type=merge", "--patch", patch)

    def ready() -> int:
        return sum(pod["ready"] for pod in stack.pods("queue", "one"))

    report = stack.load_during(
        lambda: until(lambda: ready() == 3, 60, "no three replicas"),
        model="queue",
        rate=2.5,
        mix=(Ask(True, 20),),
    )
    assert lost(report) == {}
    report = stack.load_during(
        lambda: until(lambda: ready() == 1, 90, "more than one replica"),
        model="queue",
        rate=3,
        mix=(SHORT,),
    )
    assert lost(report) == {}


def test_the_autoscaler_reads_latency_from_prometheus_as_an_external_metric(stack: Stack) -> None:
    def pressure() -> float | None:
        scaler = json.loads(stack.run("get", "hpa", "chat-one", "-o", "json"))
        for metric in scaler["status"].get("currentMetrics") or []:
            if metric["type"] == "External":
                return float(metric["external"]["current"]["value"].removesuffix("m"))
        return None

    report = stack.load_during(lambda: until(pressure, 60, "no pressure above 0"))
    assert lost(report) == {}
