"""What clients see of injected faults, and what the simulators cost: memory, delay of a stream."""

import time
from pathlib import Path

import pytest
import requests

from tests.e2e.test_sim_start import ARGV, CHAT, Sim


@pytest.mark.parametrize(
    ("engine", "path"),
    [
        ("vllm", ("error", "message")),
        ("tgi", ("error",)),
        ("sglang", ("message",)),
        ("tensorrt_llm", ("message",)),
    ],
)
def test_an_injected_error_has_the_status_asked_for_and_the_engines_form(
    engine: str, path: tuple[str, ...]
) -> None:
    with Sim(engine, env={"SIM_ERROR_RATE": "1", "SIM_ERROR_STATUS": "503"}) as sim:
        answer = sim.post("/v1/chat/completions", {**CHAT, "stream": True})

    body = answer.json()
    for key in path:
        body = body[key]
    assert answer.status_code == 503
    assert body == f"simulated fault of {engine.replace('_', '-')}"


def test_an_injected_break_cuts_the_stream_after_some_tokens() -> None:
    with Sim("vllm", env={"SIM_BREAK_RATE": "1"}) as sim:
        lines: list[bytes] = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            lines.extend(
                line for line in sim.stream("/v1/chat/completions", {**CHAT, "max_tokens": 40}) if line
            )
        with pytest.raises(requests.exceptions.ConnectionError):
            sim.post("/v1/chat/completions", CHAT)
        seen = sim.metrics()

    own = 'model_name="chat",engine="0"'
    assert b"data: [DONE]" not in lines
    assert seen[f'vllm:request_success_total{{{own},finished_reason="error"}}'] == 2


def test_a_client_that_leaves_is_an_abort_and_frees_the_place() -> None:
    with Sim("vllm", "--max-num-seqs", "1", env={"SIM_HANG_RATE": "1"}) as sim:
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(f"{sim.url}/v1/chat/completions", json=CHAT, timeout=0.2)
        time.sleep(0.1)
        seen = sim.metrics()

    own = 'model_name="chat",engine="0"'
    assert seen[f'vllm:request_success_total{{{own},finished_reason="abort"}}'] == 1
    assert seen[f"vllm:num_requests_running{{{own}}}"] == 0


@pytest.mark.parametrize("engine", sorted(ARGV))
def test_an_idle_engine_is_small(engine: str) -> None:
    with Sim(engine) as sim:
        sim.get("/v1/models")
        rollup = Path(f"/proc/{sim.process.pid}/smaps_rollup").read_text()
        (pss_kib,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]

    assert pss_kib <= 35 * 1024


def test_a_stream_is_not_held_back() -> None:
    """Lateness of tokens against the plan, seen by the client; the best of three: machines have hiccups."""
    with Sim("vllm", env={"SIM_TPOT_SECONDS": "0.02"}) as sim:
        late = []
        for _ in range(3):
            lines = sim.stream("/v1/chat/completions", {**CHAT, "max_tokens": 40})
            times = [time.monotonic() for line in lines if b'"content":' in line][1:]
            late.append(
                sorted(at - times[0] - number * 0.02 for number, at in enumerate(times))[
                    int(len(times) * 0.9)
                ]
            )

    assert min(late) < 0.005
