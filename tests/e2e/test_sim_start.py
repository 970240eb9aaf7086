"""Simulated engines as processes: how they start, what they refuse. `Sim` serves other tests."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import requests

from tests.stack_files import ROOT

FAST = {"SIM_LOAD_SECONDS": "0", "SIM_TTFT_SECONDS": "0.02", "SIM_TPOT_SECONDS": "0.005", "SIM_SEED": "1"}
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 5}
TOO_LONG = {**CHAT, "messages": [{"role": "user", "content": " ".join(["word"] * 30)}]}
ARGV = {
    "vllm": "org/weights --served-model-name chat --host 0.0.0.0 --port {port}",
    "tgi": "--model-id org/weights --hostname 0.0.0.0 --port {port}",
    "sglang": "serve --model-path w --served-model-name chat --host 0.0.0.0 --port {port} --enable-metrics",
    "tensorrt_llm": "chat --host 0.0.0.0 --port {port}",
    "ollama": "serve",
}
"""Smallest command lines that serve the model `chat`."""


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sim:
    """A running engine; `extra` is added to its command line, `argv` replaces it, `at` is its address."""

    def __init__(
        self,
        engine: str,
        *extra: str,
        env: dict[str, str] | None = None,
        argv: Sequence[str] | None = None,
        at: tuple[str, int] | None = None,
        wait: bool = True,
    ) -> None:
        self.engine, (self.host, self.port) = engine, at or ("127.0.0.1", free_port())
        self.url = f"http://{self.host}:{self.port}"
        own = {"LOCAL_BIND": self.host, "OLLAMA_HOST": f"0.0.0.0:{self.port}", "PATH": os.environ["PATH"]}
        self.env = {**FAST, **(env or {}), **own}
        words = ARGV[engine].format(port=self.port).split() if argv is None else argv
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"local.sim.{engine}", *words, *extra],
            env=self.env,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if wait:
            self.wait_open()

    def wait_open(self) -> None:
        for _ in range(1000):
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
                return
            if self.process.poll() is not None:
                raise AssertionError(self.process.communicate()[1])
            time.sleep(0.005)
        raise AssertionError("the port did not open")

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=10)

    def post(self, path: str, body: dict[str, Any]) -> requests.Response:
        return requests.post(f"{self.url}{path}", json=body, timeout=10)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[bytes]:
        """Lines as they come. Raises requests' errors when the connection breaks."""
        with requests.post(
            f"{self.url}{path}", json={**body, "stream": True}, stream=True, timeout=10
        ) as answer:
            assert answer.status_code == 200, answer.text
            yield from answer.iter_lines(chunk_size=1)

    def metrics(self, path: str = "/metrics") -> dict[str, float]:
        """Series with labels -> value."""
        lines = [line for line in self.get(path).text.splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def __enter__(self) -> "Sim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


def events(lines: list[bytes]) -> list[dict[str, Any]]:
    """The JSON of the events before [DONE]; fails if the lines are not OpenAI's grammar."""
    assert lines[-2:] == [b"data: [DONE]", b""], "a stream ends with [DONE] and an empty line"
    assert all(line == b"" for line in lines[1::2]), "an empty line ends each event"
    assert all(line.startswith(b"data: ") for line in lines[::2]), "each event is one data line"
    return [json.loads(line[6:]) for line in lines[:-2:2]]


def run(engine: str, *argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"local.sim.{engine}", *argv],
        env={"PATH": os.environ["PATH"], "LOCAL_BIND": "127.0.0.1", **(env or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    ("engine", "argv", "words"),
    [
        ("vllm", ["m", "--swap-space", "4"], "vllm: error: unrecognized arguments: --swap-space 4"),
        ("vllm", ["--port", "8000"], "vllm: error: the following arguments are required: model_tag"),
        ("vllm", ["m", "--port"], "vllm: error: argument --port: expected one argument"),
        ("vllm", ["m", "--port", "many"], "vllm: error: argument --port: invalid int value: 'many'"),
        ("vllm", ["m", "--quantization", "gguf"], "argument --quantization: invalid choice: 'gguf'"),
        (
            "tgi",
            ["--model-id", "m", "--quantize", "gguf"],
            "error: argument --quantize: invalid choice: 'gguf'",
        ),
        ("tgi", ["--model-id", "m", "--max-models", "1"], "error: unexpected argument '--max-models' found"),
        ("sglang", ["serve", "--model-path", "m", "--tpx", "1"], "unrecognized arguments: --tpx 1"),
        ("tensorrt_llm", ["m", "--tp-size", "2"], "Error: No such option: --tp-size"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_the_engines_own_words(
    engine: str, argv: list[str], words: str
) -> None:
    ended = run(engine, *argv)

    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def test_ollama_refuses_what_its_command_line_does_not_know() -> None:
    unknown = run("ollama", "server")
    flag = run("ollama", "serve", "--port=1")

    assert (unknown.returncode, unknown.stderr) == (1, 'Error: unknown command "server" for "ollama"\n')
    assert (flag.returncode, flag.stderr) == (1, "Error: unknown flag: --port=1\n")


@pytest.mark.parametrize(
    ("host", "bind", "words"),
    [
        ("0.0.0.0", "", "0.0.0.0: a simulated engine listens on loopback only; set LOCAL_BIND"),
        ("0.0.0.0", "192.0.2.1", "192.0.2.1: a simulated engine listens on loopback only"),
        ("192.0.2.1", "127.0.0.1", "192.0.2.1: a simulated engine listens on loopback only"),
        ("example.invalid", "127.0.0.1", "example.invalid: a simulated engine listens on loopback only"),
    ],
)
def test_an_engine_refuses_an_address_that_others_can_reach(host: str, bind: str, words: str) -> None:
    ended = run("vllm", "m", "--host", host, env={"LOCAL_BIND": bind})

    assert ended.returncode == 1
    assert words in ended.stderr


def test_a_taken_port_ends_the_engine_before_it_loads() -> None:
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = run("vllm", "m", "--port", port, env={"SIM_LOAD_SECONDS": "60"})

    assert ended.returncode == 1
    assert f"Address already in use: 127.0.0.1:{port}" in ended.stderr


def test_a_wrong_option_ends_the_engine_without_a_traceback() -> None:
    ended = run("vllm", "m", env={"SIM_ENGINE_VERSION": "0.1"})

    text = "SIMULATED vllm: SIM_ENGINE_VERSION: vllm 0.1 has no flag table; known: 0.33.0, 0.28.0, 0.21.0\n"
    assert (ended.returncode, ended.stderr) == (1, text)


def test_the_flag_table_is_that_of_the_release_asked_for() -> None:
    flag = ["--max-num-partial-prefills", "2"]  # gone after 0.21

    assert run("vllm", "m", *flag).returncode == 2
    with Sim("vllm", *flag, env={"SIM_ENGINE_VERSION": "0.21.0"}) as sim:
        assert sim.get("/version").json() == {"version": "0.21.0"}


@pytest.mark.parametrize("engine", ["vllm", "tgi", "sglang", "tensorrt_llm"])
def test_the_port_opens_only_after_the_load(engine: str) -> None:
    begun = time.monotonic()
    with Sim(engine, env={"SIM_LOAD_SECONDS": "0.6"}) as sim:
        assert time.monotonic() - begun >= 0.6
        assert sim.get("/v1/models").status_code == 200


def test_ollama_opens_its_port_at_once_and_loads_with_the_first_request() -> None:
    begun = time.monotonic()
    with Sim("ollama", env={"SIM_LOAD_SECONDS": "5"}) as sim:
        assert time.monotonic() - begun < 4
        assert sim.get("/api/version").json() == {"version": "0.32.15"}
        assert sim.get("/").text == "Ollama is running"


def test_sigterm_while_loading_ends_the_engine_at_once() -> None:
    with Sim("vllm", env={"SIM_LOAD_SECONDS": "60"}, wait=False) as sim:
        time.sleep(0.5)
        sim.terminate()
        assert sim.process.wait(2) in (0, -signal.SIGTERM), "by its handler, or before that was set"


@pytest.mark.parametrize("engine", sorted(ARGV))
def test_an_engine_listens_on_its_loopback_address_only(engine: str) -> None:
    with Sim(engine, at=("127.18.0.7", free_port())) as sim:
        listening = {
            f"{socket.inet_ntoa(bytes.fromhex(address)[::-1])}:{int(port, 16)}"
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            for address, port in [line.split()[1].split(":")]
            if line.split()[3] == "0A" and int(port, 16) == sim.port
        }
        assert listening == {f"127.18.0.7:{sim.port}"}
