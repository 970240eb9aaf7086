"""The real vLLM router as the manifests start it, before simulated engines on loopback."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import requests
from rich.console import Console

from components.serving.router_pod import arguments
from components.spec import BalancingPolicy
from local import router_environment
from local.layout import find
from tests.e2e.test_sim_start import free_port
from tests.stack_files import ROOT
from tests.unit.strategies import engine_spec, router_spec, version_spec

START_SECONDS = 20
DISCOVERY = ("--service-discovery", "--service-discovery-namespace", "--service-discovery-port", "--selector")


def program() -> Path:
    """Install the router and return it."""
    layout = find(ROOT)
    assert layout
    router_environment.install(layout, Console())
    return layout.router / "bin" / "vllm-router"


def moved(given: Sequence[str], changed: dict[str, str]) -> list[str]:
    """The manifest's arguments on this machine: other addresses and ports, everything else as it is."""
    found = list(given)
    for flag, value in changed.items():
        found[found.index(flag) + 1] = value
    return found


def without_discovery(given: Sequence[str]) -> list[str]:
    """The arguments without the search for pods: there is no cluster."""
    found: list[str] = []
    flag = ""
    for word in given:
        flag = word if word.startswith("--") else flag
        if flag not in DISCOVERY:
            found.append(word)
    return found


class Router:
    """One router process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process, self.log, self.url = process, log, f"http://127.0.0.1:{port}"

    def post(self, body: object) -> requests.Response:
        return requests.post(f"{self.url}/v1/chat/completions", json=body, timeout=60)

    def is_ready(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/readiness", timeout=5).ok
        return False


@contextlib.contextmanager
def running(policy: BalancingPolicy, log: Path, engines: Sequence[str]) -> Iterator[Router]:
    """A router that was told its engines."""
    spec, port = router_spec(policy=policy), free_port()
    local = {"--host": "127.0.0.1", "--port": str(port)}
    local |= {"--prometheus-host": "127.0.0.1", "--prometheus-port": str(free_port())}
    command = [
        str(program()),
        *moved(without_discovery(arguments(version_spec(engine_spec("vllm")), spec)), local),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--worker-urls", *engines],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "RUST_LOG": "warn"},
        )
    router = Router(process, port, log)
    try:
        until = time.monotonic() + START_SECONDS
        while not router.is_ready():
            assert process.poll() is None, log.read_text("utf-8")[-2000:]
            assert time.monotonic() < until, log.read_text("utf-8")[-2000:]
            time.sleep(0.1)
        yield router
    finally:
        process.kill()
        process.wait()
