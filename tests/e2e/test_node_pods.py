"""Pods as processes: volumes, environment, hooks, probes, reasons, restarts."""

import contextlib
import http.client
import json
import ssl
import time
from typing import Any

import psutil
import pytest
import requests
import yaml

from tests.e2e.conftest import Rig, Space, address, is_ready
from tests.e2e.manifests import IMAGE, app_config, container, pod, pod_spec, service

CONFIG = "base: http://web/v1\nbind: 0.0.0.0\nfolder: /app/x\n"


def _text(where: dict[str, Any], path: str) -> str:
    answer = requests.get(address(where) + path, timeout=5)
    answer.raise_for_status()
    return answer.text


def _shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "app", "image": IMAGE, "command": ["sh", "-c", script], **more}


def _state(found: dict[str, Any], index: int = 0) -> dict[str, Any]:
    statuses: list[dict[str, Any]] = found["status"].get("containerStatuses", [])
    return statuses[index]["state"] if statuses else {}


def test_a_pod_gets_its_manifest_made_local_and_nothing_of_the_users_environment(space: Space) -> None:
    env: list[dict[str, Any]] = [
        {"name": "CONFIG_FOLDER", "value": "/app"},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "OTHER", "value": "$(CONFIG_FOLDER)/y"},
    ]
    annotations = {"llmserve.dev/sim-TTFT_SECONDS": "3"}
    space.apply(app_config(**{"c.yaml": CONFIG}), pod("one", pod_spec(container(env=env)), **annotations))
    found = space.ready("one")
    values = json.loads(_text(found, "/env"))
    own = address(found).removeprefix("http://").removesuffix(":8000")
    assert values["POD_IP"] == own, "the address a program can bind"
    assert values["SIM_TTFT_SECONDS"] == "3"
    assert values["OTHER"] == values["CONFIG_FOLDER"] + "/y"
    allowed = {"PATH", "LANG", "HOSTNAME", "HOME", "TMPDIR", "LOCAL_BIND", "LLMSERVE_NODE_STATE", "PWD"}
    assert values.keys() - {e["name"] for e in env} - {"SIM_TTFT_SECONDS"} - {"LC_CTYPE"} == allowed
    config = yaml.safe_load(_text(found, "/file/c.yaml"))
    assert config["base"].startswith("http://127.")
    assert config["base"].endswith(":10080/v1"), "port 80 needs root, so it is 10080"
    assert (config["bind"], config["folder"]) == (own, values["CONFIG_FOLDER"] + "/x")


def test_a_changed_secret_reaches_the_running_process(space: Space) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "stringData": {"keys.json": "old at 0.0.0.0"},
    }
    spec = container(env=[{"name": "CONFIG_FOLDER", "value": "/keys"}])
    spec["volumeMounts"].append({"name": "keys", "mountPath": "/keys"})
    volumes = [{"name": "keys", "secret": {"secretName": "keys"}}]
    space.apply(app_config(), secret, pod("one", pod_spec(spec, volumes=volumes)))
    found = space.ready("one")
    assert _text(found, "/file/keys.json") == "old at 0.0.0.0", "a Secret's text is never touched"
    space.apply({**secret, "stringData": {"keys.json": "new"}})
    deadline = time.monotonic() + 10
    while _text(found, "/file/keys.json") != "new":
        assert time.monotonic() < deadline, "not refreshed in 10 s"
        time.sleep(0.2)
    assert space.get("pod", "one")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_init_containers_sidecars_claims_and_projected_volumes_work_together(space: Space) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "efs",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    projected = [
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"configMap": {"name": "app", "items": [{"key": "c.yaml", "path": "sub/c.yaml"}]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "facts", "mountPath": "/facts"}]
    first = _shell("echo weights > /data/w", name="init", volumeMounts=mounts)
    side = _shell(
        "echo side > /data/s; exec sleep 600", name="side", restartPolicy="Always", volumeMounts=mounts
    )
    script = "cat /data/w /data/s /facts/labels && echo && cat /facts/sub/c.yaml && test -s /facts/token"
    main = _shell(script, volumeMounts=mounts)
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "facts", "projected": {"sources": projected}},
    ]
    spec = pod_spec(main, volumes=volumes, restartPolicy="Never", initContainers=[first, side])
    space.apply(app_config(**{"c.yaml": "c: 1\n"}), claim, pod("one", spec))
    space.pod_when("one", lambda p: p["status"]["phase"] == "Succeeded", 30)
    assert space.run("logs", "one", "-c", "app").splitlines() == ["weights", "side", 'app="one"', "c: 1"]


@pytest.mark.parametrize(
    ("main", "reason", "words"),
    [
        ({"image": "nginx:1"}, "ErrImagePull", "stands for no local program"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}]},
            "CreateContainerConfigError",
            'secret "gone" not found',
        ),
    ],
    ids=["unknown image", "missing Secret"],
)
def test_what_cannot_start_says_why(space: Space, main: dict[str, Any], reason: str, words: str) -> None:
    space.apply(app_config(), pod("one", pod_spec(container(**main))))
    found = space.pod_when("one", lambda p: _state(p).get("waiting", {}).get("reason") == reason)
    assert words in _state(found)["waiting"]["message"]
    assert reason in space.run("get", "pods")


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        (
            [container(args=["/app/app.py", "--wrong"])],
            "the following arguments are required: --host, --port",
        ),
        ([container(), container(name="second")], "address already in use"),
    ],
    ids=["wrong argv", "port taken"],
)
def test_a_crash_loop_tells_the_programs_last_words(
    space: Space, containers: list[dict[str, Any]], words: str
) -> None:
    for one in containers:
        one["terminationMessagePolicy"] = "FallbackToLogsOnError"
    space.apply(app_config(), pod("one", pod_spec(*containers)))

    def looping(found: dict[str, Any]) -> list[dict[str, Any]]:
        statuses = found["status"].get("containerStatuses", [])
        return [s for s in statuses if s["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"]

    found = space.pod_when("one", lambda p: bool(looping(p)))
    crashed = looping(found)[0]
    assert words in crashed["lastState"]["terminated"]["message"]
    assert crashed["lastState"]["terminated"]["reason"] == "Error"
    assert crashed["restartCount"] == 1
    assert "CrashLoopBackOff" in space.run("get", "pods")
    reasons = {event["reason"] for event in space.list("events")}
    assert {"Started", "BackOff"} <= reasons


def test_a_failing_liveness_probe_restarts_the_container_after_its_prestop(space: Space) -> None:
    # the hook writes where the container finds it again
    mark = {"exec": {"command": ["sh", "-c", "echo stopped >> $HOME/hook"]}}
    probe = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1, "failureThreshold": 2}
    spec = container(livenessProbe=probe, lifecycle={"preStop": mark})
    spec["env"] = [{"name": "CONFIG_FOLDER", "value": "$(NOTHING)"}]
    space.apply(app_config(), pod("one", pod_spec(spec)))
    found = space.ready("one")
    home = json.loads(_text(found, "/env"))["HOME"]
    _text(found, "/sicken")
    again = space.pod_when("one", lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1)
    with open(f"{home}/hook", encoding="utf-8") as file:  # noqa: PTH123
        assert file.read() == "stopped\n"
    assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 0
    assert space.ready("one")


def test_tcp_exec_and_grpc_probes_decide_readiness(space: Space) -> None:
    tcp = container(readinessProbe={"tcpSocket": {"port": "http"}, "periodSeconds": 1})
    good = container(readinessProbe={"exec": {"command": ["test", "-d", "/app"]}, "periodSeconds": 1})
    bad = container(readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1})
    grpc = container(readinessProbe={"grpc": {"port": 8000}, "periodSeconds": 1})
    pods = {"tcp": tcp, "good": good, "bad": bad, "grpc": grpc}
    space.apply(app_config(), *(pod(name, pod_spec(spec)) for name, spec in pods.items()))
    space.ready("tcp")
    space.ready("good")
    time.sleep(1.5)
    assert not is_ready(space.get("pod", "bad"))
    assert not is_ready(space.get("pod", "grpc")), "an HTTP server is no gRPC health service"
    messages = [e["message"] for e in space.list("events") if e["reason"] == "Unhealthy"]
    assert any(m.startswith("Readiness probe failed: grpc: ") for m in messages)
    assert any(m.startswith("Readiness probe failed: command exited with 1") for m in messages)


GRPC_HEALTH = """
import os, sys, grpc
from concurrent.futures import ThreadPoolExecutor
def check(request, context):
    if request != b"\\x0a\\x04deep":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
    return b"\\x08\\x01"
handler = grpc.unary_unary_rpc_method_handler(check)
server = grpc.server(ThreadPoolExecutor(1))
service = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
server.add_generic_rpc_handlers([service])
server.add_insecure_port(os.environ["LOCAL_BIND"] + ":9000")
server.start()
server.wait_for_termination()
"""


def test_a_grpc_health_service_is_asked_for_the_service_named(space: Space) -> None:
    def spec(name: str) -> dict[str, Any]:
        probe = {"grpc": {"port": 9000, "service": name}, "periodSeconds": 1}
        return pod_spec(container(command=["python3", "-c", GRPC_HEALTH], args=[], readinessProbe=probe))

    space.apply(app_config(), pod("right", spec("deep")), pod("wrong", spec("other")))
    space.ready("right")
    time.sleep(1)
    assert not is_ready(space.get("pod", "wrong"))
    messages = [e["message"] for e in space.list("events") if e["reason"] == "Unhealthy"]
    assert "Readiness probe failed: grpc: NOT_FOUND" in messages


def test_a_container_that_ignores_sigterm_is_killed_when_its_grace_is_over(space: Space) -> None:
    space.apply(
        app_config(), pod("one", pod_spec(_shell("trap '' TERM; echo up; sleep 100 & wait; sleep 100")))
    )
    space.ready("one")
    begun = time.monotonic()
    space.run("delete", "pod", "one", "--grace-period=2")
    assert 1.8 < time.monotonic() - begun < 5


def test_logs_follow_and_previous_and_top_work(space: Space) -> None:
    script = "echo first; test -e $HOME/again && exec sleep 600; touch $HOME/again; exit 3"
    space.apply(app_config(), pod("one", pod_spec(_shell(script))))
    space.pod_when("one", lambda p: p["status"].get("containerStatuses", [{}])[0].get("restartCount") == 1)
    space.ready("one")
    assert space.run("logs", "one") == "first\n"
    assert space.run("logs", "one", "-p") == "first\n"
    assert space.run("logs", "one", "--tail=0") == ""
    deadline = time.monotonic() + 25
    while "Ki" not in (
        table := space.run("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{space.name}/pods")
    ):
        assert time.monotonic() < deadline, table
        time.sleep(0.5)
    assert "one" in space.run("top", "pods")


def test_a_load_balancer_gets_an_address(space: Space) -> None:
    wanted = service("web")
    wanted["spec"]["type"] = "LoadBalancer"
    space.apply(wanted)
    time.sleep(1)
    (entry,) = space.get("service", "web")["status"]["loadBalancer"]["ingress"]
    assert entry["ip"].startswith("127.")


def test_a_pod_that_asks_for_more_gpus_than_there_are_stays_pending(space: Space) -> None:
    spec = container(resources={"limits": {"nvidia.com/gpu": "2"}})
    space.apply(app_config(), pod("one", pod_spec(spec)))
    found = space.pod_when("one", lambda p: bool(p["status"].get("conditions")))
    assert (
        "0/2 nodes are available: 2 Insufficient nvidia.com/gpu"
        in found["status"]["conditions"][0]["message"]
    )


def test_the_nodes_server_lets_nobody_in_without_the_clusters_certificate(rig: Rig, space: Space) -> None:
    port = rig.kubectl.list("nodes")[0]["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    known, stranger = ssl._create_unverified_context(), ssl._create_unverified_context()
    known.load_cert_chain(rig.state / "pki" / "client-certificate", rig.state / "pki" / "client-key")

    def status(context: ssl.SSLContext) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        with contextlib.closing(connection):
            connection.request("GET", f"/containerLogs/{space.name}/x/y")
            return connection.getresponse().status

    assert status(known) == 404, "no such pod"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        status(stranger)


def test_everything_listens_on_loopback_only(rig: Rig, space: Space) -> None:
    space.apply(app_config(), service("one"), pod("one", pod_spec(container())))
    space.ready("one")
    assert rig.process is not None
    pids = {rig.process.pid} | {process.pid for process in rig.pod_processes()}
    heard = [
        getattr(connection.laddr, "ip", "")
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in pids
    ]
    assert len(heard) >= 2, "at least the node and the pod"
    assert [ip for ip in heard if not ip.startswith("127.")] == []


def test_secrets_on_disk_are_for_the_user_only(rig: Rig) -> None:
    assert rig.state.stat().st_mode & 0o777 == 0o700
