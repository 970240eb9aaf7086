"""What each simulated engine does on SIGTERM, as the real one does (facts.md §7-10)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.test_sim_start import CHAT, Sim, events

SLOW = {"SIM_TPOT_SECONDS": "0.05"}
LONG = {**CHAT, "max_tokens": 20}
"""About one second of tokens."""
BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)


def begin(sim: Sim, path: str = "/v1/chat/completions") -> Iterator[bytes]:
    """A stream of which the first lines are here."""
    lines = sim.stream(path, LONG)
    next(lines)
    return lines


def content(lines: list[bytes]) -> list[str]:
    chunks = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
    return [text for chunk in chunks if (text := chunk["choices"][0]["delta"].get("content"))]


def test_vllm_with_a_timeout_lets_streams_end_and_aborts_what_comes_later() -> None:
    with Sim("vllm", "--shutdown-timeout", "5", env=SLOW) as sim:
        lines = begin(sim)
        sim.terminate()
        time.sleep(0.1)
        late = sim.post("/v1/chat/completions", CHAT)
        late_stream = events(list(sim.stream("/v1/chat/completions", CHAT)))
        health = sim.get("/health")
        rest = list(lines)

        assert health.status_code == 200, "vLLM stays healthy while it drains"
        assert late.status_code == 200
        assert late.json()["choices"][0] == {
            "index": 0,
            "logprobs": None,
            "finish_reason": "abort",
            "message": {"role": "assistant", "content": ""},
        }
        assert [chunk["choices"][0]["finish_reason"] for chunk in late_stream] == ["abort"]
        assert len(content(rest)) == 20
        assert b"data: [DONE]" in rest
        assert sim.process.wait(2) == 0


def test_vllm_without_a_timeout_aborts_all_streams_at_once() -> None:
    with Sim("vllm", env=SLOW) as sim:
        lines = begin(sim)
        sim.terminate()
        begun = time.monotonic()
        rest = list(lines)

        assert time.monotonic() - begun < 0.5
        assert len(content(rest)) < 20
        assert json.loads(rest[-4][6:])["choices"][0]["finish_reason"] == "abort"
        assert sim.process.wait(2) == 0


def test_vllm_cuts_what_is_not_done_in_time() -> None:
    with Sim("vllm", "--shutdown-timeout", "1", env={"SIM_TPOT_SECONDS": "0.2"}) as sim:
        lines = begin(sim)
        sim.terminate()
        begun = time.monotonic()
        with pytest.raises(BROKEN):
            list(lines)

        assert 0.8 < time.monotonic() - begun < 2
        assert sim.process.wait(2) == 0


@pytest.mark.parametrize("engine", ["tgi", "tensorrt_llm"])
def test_tgi_and_tensorrt_llm_close_the_port_and_let_streams_end(engine: str) -> None:
    with Sim(engine, env=SLOW) as sim:
        lines = begin(sim)
        sim.terminate()
        time.sleep(0.1)
        with pytest.raises(requests.exceptions.ConnectionError):
            sim.get("/health")
        rest = list(lines)

        assert b"data: [DONE]" in rest
        assert len(content(rest)) >= 19, "the first may have been read by begin()"
        assert sim.process.wait(2) == 0


def test_tgi_cuts_what_is_not_done_in_time() -> None:
    with Sim("tgi", "--graceful-termination-timeout", "1", env={"SIM_TPOT_SECONDS": "0.2"}) as sim:
        lines = begin(sim)
        sim.terminate()
        with pytest.raises(BROKEN):
            list(lines)

        assert sim.process.wait(2) == 0


def test_sglang_is_not_ready_while_it_drains_and_still_serves() -> None:
    with Sim("sglang", env=SLOW) as sim:
        time.sleep(0.1)
        assert sim.get("/ready").status_code == 200
        lines = begin(sim)
        sim.terminate()
        time.sleep(0.1)

        assert sim.get("/ready").status_code == 503
        assert sim.get("/health").status_code == 503
        assert sim.post("/v1/chat/completions", CHAT).json()["usage"]["completion_tokens"] == 5
        rest = list(lines)
        assert len(content(rest)) == 20
        assert b"data: [DONE]" in rest
        assert sim.process.wait(2) == 0


def test_ollama_stops_at_once(tmp_path: Path) -> None:
    with Sim("ollama", env={**SLOW, "OLLAMA_MODELS": str(tmp_path)}) as sim:
        sim.post("/api/pull", {"model": "chat"})
        lines = begin(sim, "/api/chat")
        sim.terminate()
        begun = time.monotonic()
        with pytest.raises(BROKEN):
            list(lines)

        assert time.monotonic() - begun < 0.5
        assert sim.process.wait(2) == 0


@pytest.mark.parametrize("engine", ["vllm", "tgi", "sglang", "tensorrt_llm", "ollama"])
def test_an_idle_engine_ends_soon(engine: str) -> None:
    with Sim(engine) as sim, requests.Session() as session:
        session.get(f"{sim.url}/v1/models", timeout=5)  # leaves a connection open
        sim.terminate()
        assert sim.process.wait(1) == 0
