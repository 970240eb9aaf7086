"""The real vLLM router finds its version's pods in a real API server, with the rights its Role gives.

Does not prove that it reaches them: pods are pretended here (tests/e2e/test_router.py has engines).
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import naming
from components.serving.router_manifests import router_manifests
from components.serving.router_pod import ENGINE_PORT, arguments, router_name
from local.cluster import ControlPlane
from local.kubectl import Kubectl
from tests.e2e.router_process import moved, program
from tests.e2e.test_sim_start import free_port
from tests.engine.test_local_cluster import namespace
from tests.unit.strategies import router_spec, version_spec

NAMESPACE = "router-discovery"
VERSION, ROUTER = version_spec(namespace=NAMESPACE), router_spec()
FOUND_SECONDS = 30


def pod(name: str, instance: str) -> dict[str, Any]:
    labels = naming.labels("engine", instance)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "containers": [{"name": "engine", "image": "example:1"}],
            "tolerations": [{"operator": "Exists"}],
        },
    }


@pytest.fixture(scope="module")
def placed(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The router's account and rights, a pod of its version and one of another."""
    made = router_manifests(VERSION, ROUTER)
    rights = [made[key] for key in ("service-account", "role", "role-binding")]
    objects = [namespace(NAMESPACE), *rights, pod("mine", "chat-v1"), pod("other", "chat-v2")]
    kubectl.apply(*objects)
    kubectl.run("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s", "-n", NAMESPACE)
    yield kubectl
    kubectl.run("delete", "namespace", NAMESPACE, "--wait=false")


@contextmanager
def router(placed: Kubectl, plane: ControlPlane, account: str, folder: Path) -> Iterator[Path]:
    """The router as it runs in a pod of this service account; yields its log."""
    token = placed.run("create", "token", account, "-n", NAMESPACE).strip()
    config = yaml.safe_load(plane.kubeconfig.read_text("utf-8"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config), encoding="utf-8")
    kubeconfig.chmod(0o600)
    local = {"--host": "127.0.0.1", "--port": str(free_port())}
    local |= {"--prometheus-host": "127.0.0.1", "--prometheus-port": str(free_port())}
    log = folder / "log"
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "RUST_LOG": "info"}
    command = [str(program()), *moved(arguments(VERSION, ROUTER), local)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
    try:
        yield log
    finally:
        process.kill()
        process.wait()


def said(log: Path, words: str) -> str:
    """The first line with these words, once there is one."""
    until = time.monotonic() + FOUND_SECONDS
    while True:
        text = log.read_text("utf-8")
        if found := [line for line in text.splitlines() if words in line]:
            return found[0]
        assert time.monotonic() < until, text[-3000:]
        time.sleep(0.2)


def test_it_finds_the_pods_of_its_version_and_no_others(
    placed: Kubectl, control_plane: ControlPlane, tmp_path: Path
) -> None:
    address = placed.run("get", "pod", "mine", "-n", NAMESPACE, "-o", "jsonpath={.status.podIP}").strip()
    with router(placed, control_plane, router_name("chat-v1"), tmp_path) as log:
        line = said(log, "Adding pod: mine")
        assert f"url: http://{address}:{ENGINE_PORT}" in line
        assert "Adding pod: other" not in log.read_text("utf-8")


def test_without_its_role_it_finds_nothing_and_says_why(
    placed: Kubectl, control_plane: ControlPlane, tmp_path: Path
) -> None:
    with router(placed, control_plane, "default", tmp_path) as log:
        assert "forbidden" in said(log, "Error in Kubernetes watcher").lower()
