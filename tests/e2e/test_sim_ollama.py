"""Simulated Ollama: its server's JSON lines, and its client as the pod uses it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_sim_start import CHAT, TOO_LONG, Sim
from tests.stack_files import ROOT


def ollama(sim: Sim, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.sim.ollama", *argv]
    return subprocess.run(
        command, env=sim.env, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False
    )


def test_ollama_serves_what_was_pulled_in_json_lines(tmp_path: Path) -> None:
    with Sim("ollama", env={"OLLAMA_MODELS": str(tmp_path), "OLLAMA_CONTEXT_LENGTH": "20"}) as sim:
        missing = sim.post("/api/chat", {**CHAT, "model": "qwen3:4b"})
        pulled = [json.loads(line)["status"] for line in sim.stream("/api/pull", {"model": "qwen3:4b"})]
        body = {"model": "qwen3:4b", "messages": TOO_LONG["messages"], "options": {"num_predict": 3}}
        lines = [json.loads(line) for line in sim.stream("/api/chat", body)]
        generated = sim.post("/api/generate", {"model": "qwen3:4b", "prompt": "a b", "stream": False}).json()
        embedded = sim.post("/api/embed", {"model": "qwen3:4b", "input": ["a", "b"]}).json()
        no_metrics = sim.get("/metrics")

    assert (missing.status_code, missing.json()) == (404, {"error": "model 'qwen3:4b' not found"})
    assert pulled == ["pulling manifest (simulated)", "success"]
    assert [line["done"] for line in lines] == [False, False, False, True]
    assert "".join(line["message"]["content"] for line in lines) == "[simulated] ollama 0.32.15"
    assert (lines[-1]["done_reason"], lines[-1]["eval_count"]) == ("length", 3)
    assert lines[-1]["prompt_eval_count"] == 20, "the prompt is cut to the context, not refused"
    assert lines[-1]["total_duration"] > lines[-1]["eval_duration"] > 0
    assert (generated["done_reason"], generated["eval_count"], generated["prompt_eval_count"]) == (
        "stop",
        48,
        2,
    )
    assert len(embedded["embeddings"]) == 2
    assert no_metrics.status_code == 404


def test_ollama_as_the_pod_uses_it_pull_then_run_with_an_empty_prompt(tmp_path: Path) -> None:
    with Sim("ollama", env={"OLLAMA_MODELS": str(tmp_path), "SIM_LOAD_SECONDS": "0.3"}) as first:
        assert ollama(first, "list").stdout == "NAME\n"
        assert ollama(first, "pull", "qwen3:4b").returncode == 0
    with Sim("ollama", env={"OLLAMA_MODELS": str(tmp_path), "SIM_LOAD_SECONDS": "0.3"}) as sim:
        assert sim.get("/api/ps").json() == {"models": []}
        loaded = ollama(sim, "run", "qwen3:4b", "")
        said = ollama(sim, "run", "qwen3:4b", "hello")
        in_memory = [model["name"] for model in sim.get("/api/ps").json()["models"]]
        bad = ollama(sim, "pull", "../x")
        sim.post("/api/generate", {"model": "qwen3:4b", "keep_alive": 0})
        unloaded = sim.get("/api/ps").json()["models"]
    down = ollama(sim, "list")

    assert (loaded.returncode, loaded.stdout.strip()) == (0, "")
    assert said.stdout.startswith("[simulated] ollama")
    assert in_memory == ["qwen3:4b"]
    assert (bad.returncode, bad.stderr.splitlines()[-1]) == (1, "Error: invalid model name")
    assert unloaded == []
    assert (down.returncode, down.stderr[:35]) == (1, "Error: could not connect to ollama ")
