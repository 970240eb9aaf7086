"""nginx itself on the generated file, before simulated engines: streams, balance, paths, a lost engine."""

import contextlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from one_machine.nginx import NginxSpec, nginx_conf
from tests.e2e.test_sim_start import CHAT, Sim, events, free_port
from tests.stack_files import ROOT
from tools.nginx import nginx_program

SLOW = {"SIM_TPOT_SECONDS": "0.05"}
LONG = {**CHAT, "max_tokens": 20}
"""About one second of tokens."""


class Front:
    """nginx before engines, with the log of what it did."""

    def __init__(self, folder: Path, *engines: Sim) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        spec = NginxSpec(
            listen=f"127.0.0.1:{self.port}",
            engines=tuple(f"{engine.host}:{engine.port}" for engine in engines),
            metrics_path="/metrics",
            longest_stream_seconds=300,
            resolver=None,
            folder=str(folder),
        )
        conf = folder / "nginx.conf"
        conf.write_text(nginx_conf(spec), encoding="utf-8")
        # As root nginx would give its workers to nobody, who may not enter a test's folder.
        as_us = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = [nginx_program(ROOT), "-e", "stderr", "-p", folder, "-c", conf, *as_us]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(500):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{self.url}/health", timeout=5)
                return
            assert self.process.poll() is None, self.log.read_text("utf-8")
            time.sleep(0.01)
        raise AssertionError("nginx did not answer")

    def post(self, path: str, body: dict[str, Any], **headers: str) -> requests.Response:
        return requests.post(f"{self.url}{path}", json=body, headers=headers, timeout=20)

    def metric(self, engine: int, series: str) -> float:
        lines = requests.get(f"{self.url}/metrics/{engine}", timeout=5).text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))

    def logged(self, request_id: str) -> dict[str, str]:
        """The line of one request, which nginx writes after it was answered."""
        for _ in range(500):
            for line in self.log.read_text("utf-8").splitlines():
                if line.startswith("{") and (found := json.loads(line))["request_id"] == request_id:
                    return dict(found)
            time.sleep(0.01)
        raise AssertionError(f"{request_id} is not in the log")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[Front, Sim, Sim]]:
    with Sim("vllm", env=SLOW, wait=False) as one, Sim("vllm", env=SLOW, wait=False) as other:
        one.wait_open()
        other.wait_open()
        front = Front(folder, one, other)
        try:
            yield front, one, other
        finally:
            front.stop()


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Front, Sim, Sim]]:
    with running(tmp_path_factory.mktemp("nginx")) as made:
        yield made


@pytest.fixture(scope="module")
def front(trio: tuple[Front, Sim, Sim]) -> Front:
    return trio[0]


def test_tokens_come_as_they_are_made(front: Front) -> None:
    lines, times = [], []
    body = {**LONG, "stream": True}
    with requests.post(f"{front.url}/v1/chat/completions", json=body, stream=True, timeout=20) as answer:
        for line in answer.iter_lines(chunk_size=1):
            lines.append(line)
            times.append(time.monotonic())

    assert len(events(lines)) > 20
    assert times[-1] - times[0] > 0.6, "the first token is there long before the last"
    apart = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sum(gap > 0.005 for gap in apart) >= 10, "and they do not come in heaps"


def test_the_least_busy_engine_is_asked(trio: tuple[Front, Sim, Sim]) -> None:
    front, *engines = trio
    own = 'vllm:request_success_total{model_name="chat",engine="0",finished_reason="length"}'
    before = [int(engine.metrics()[own]) for engine in engines]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: front.post("/v1/chat/completions", LONG), range(16)))

    assert [answer.status_code for answer in answers] == [200] * 16
    counts = [int(e.metrics()[own]) - had for e, had in zip(engines, before, strict=True)]
    assert sum(counts) == 16
    assert min(counts) >= 6, "requests that run at the same time are shared out evenly"


def test_metrics_are_each_engines_own_and_for_loopback_alone(trio: tuple[Front, Sim, Sim]) -> None:
    front, _, other = trio
    made = 'vllm:generation_tokens_total{model_name="chat",engine="0"}'
    before = [front.metric(number, made) for number in (0, 1)]
    other.post("/v1/chat/completions", CHAT)
    after = [front.metric(number, made) for number in (0, 1)]
    assert after == [before[0], before[1] + 5]

    elsewhere = http.client.HTTPConnection("127.0.0.1", front.port, source_address=("127.0.0.2", 0))
    elsewhere.request("GET", "/metrics/0")
    refused = elsewhere.getresponse()
    assert refused.status == 403
    assert json.loads(refused.read())["error"]["code"] == "forbidden"
    elsewhere.request("GET", "/v1/models")
    assert elsewhere.getresponse().status == 200, "which may ask for models"
    elsewhere.close()


@pytest.mark.parametrize("path", ["/load", "/metrics", "/v1/load_lora_adapter", "/v1/models/../load", "//"])
def test_a_path_that_is_not_listed_is_an_error_in_openais_form(front: Front, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.port)  # which leaves the path as it is
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.read()) == {
        "error": {
            "message": "no such path",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
    }
    connection.close()


def test_an_engines_own_error_and_a_body_that_is_too_large_are_told_as_they_are(front: Front) -> None:
    missing = front.post("/v1/chat/completions", {**CHAT, "model": "other"})
    large = front.post(
        "/v1/chat/completions", {**CHAT, "user": "x" * 33 * 2**20}, **{"X-Request-ID": "large"}
    )
    through_a_file = {**CHAT, "user": "x" * 2 * 2**20}
    front.post("/v1/chat/completions", through_a_file, **{"X-Request-ID": "through-a-file"})

    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "The model `other` does not exist."
    assert large.status_code == 413
    assert large.json()["error"]["code"] == "request_too_large"
    assert front.logged("large")["engine_status"] == "", "no engine saw it"
    assert front.logged("through-a-file")["engine_status"] == "413", "the simulated engine's own, 1 MiB"


def test_a_harmless_request_id_is_kept_and_no_body_is_logged(front: Front) -> None:
    kept = front.post("/v1/chat/completions", CHAT, **{"X-Request-ID": "abc-1"})
    made = front.post("/v1/chat/completions?secret=1", CHAT, **{"X-Request-ID": 'a"b'})

    assert kept.headers["X-Request-ID"] == "abc-1"
    assert len(made.headers["X-Request-ID"]) == 32
    assert "nginx/" not in kept.headers["Server"]
    line = front.logged("abc-1")
    assert line["status"] == line["engine_status"] == "200"
    assert front.logged(made.headers["X-Request-ID"])["path"] == "/v1/chat/completions"
    text = front.log.read_text("utf-8")
    assert "one two three" not in text
    assert "secret" not in text
    assert "/health" not in text


def test_a_killed_engine_costs_no_later_request_and_none_left_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as (front, one, other):
        one.process.kill()
        one.process.wait(5)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: front.post("/v1/chat/completions", CHAT), range(40)))
        assert [answer.status_code for answer in answers] == [200] * 40

        other.process.kill()
        other.process.wait(5)
        none = front.post("/v1/chat/completions", CHAT)
        assert none.status_code == 502
        assert none.json()["error"]["code"] == "engine_unavailable"


def test_on_sigquit_open_answers_end_first(tmp_path: Path) -> None:
    body = {**LONG, "stream": True}
    alone = {"Connection": "close"}  # nginx would wait 5 s for more on an open connection
    with running(tmp_path) as (front, _, _):
        url = f"{front.url}/v1/chat/completions"
        with requests.post(url, json=body, headers=alone, stream=True, timeout=20) as answer:
            lines = answer.iter_lines(chunk_size=1)
            first = next(lines)
            front.process.send_signal(signal.SIGQUIT)
            assert len(events([first, *lines])) > 20
        assert front.process.wait(15) == 0
