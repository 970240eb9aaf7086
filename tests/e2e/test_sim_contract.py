"""Simulated engines keep what our adapters promise of the real ones: probes, metric names, commands."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.engines import adapter
from components.spec import EngineName
from tests.e2e.test_sim_start import CHAT, Sim, free_port
from tests.stack_files import ROOT
from tests.unit.strategies import engine_spec

ADDRESS = "127.18.0.8"
"""The ports are the manifests', so the address is the tests' own."""
HTTP_ENGINES: tuple[EngineName, ...] = ("vllm", "tgi", "sglang", "tensorrt-llm")


@pytest.mark.parametrize("engine", HTTP_ENGINES)
def test_probes_and_metrics_are_where_the_adapter_says(engine: EngineName, tmp_path: Path) -> None:
    spec = engine_spec(engine, max_num_seqs=4)
    container = adapter(engine).container(spec)
    words = [*(container.command or ("entrypoint",))[1:], *container.args]
    for path, text in container.config_files.items():
        (tmp_path / "config").write_text(text)
        words = [str(tmp_path / "config") if word == path else word for word in words]
    with Sim(engine.replace("-", "_"), argv=words, at=(ADDRESS, container.port), env=container.env) as sim:
        answer = sim.post("/v1/chat/completions", {**CHAT, "model": adapter(engine).api_model(spec)})
        statuses = [
            sim.get(probe.path or "").status_code for probe in (container.readiness, container.liveness)
        ]
        seen = sim.metrics(container.metrics_path or "")

    assert answer.status_code == 200
    assert statuses == [200, 200]
    names = {series.partition("{")[0] for series in seen}
    promised = adapter(engine).metrics
    plain = {promised.waiting, promised.running, promised.kv_usage, promised.success} - {None}
    histograms = {promised.ttft_histogram, promised.tpot_histogram} - {None}
    assert plain <= names
    assert {f"{name}_bucket" for name in histograms} <= names


def test_ollamas_init_command_and_startup_probe_work_as_rendered(tmp_path: Path) -> None:
    spec = engine_spec("ollama", model="qwen3:4b")
    container = adapter("ollama").container(spec)
    assert container.init_command is not None
    assert container.startup.command is not None
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ollama").write_text(f'#!/bin/sh\nexec {sys.executable} -m local.sim.ollama "$@"\n')
    (programs / "ollama").chmod(0o755)
    env = {
        **container.env,
        "PATH": f"{programs}:{Path(shutil.which('sh') or '/bin/sh').parent}",
        "LOCAL_BIND": ADDRESS,
        "OLLAMA_HOST": f"0.0.0.0:{free_port()}",
        "OLLAMA_MODELS": str(tmp_path / "models"),
        "SIM_LOAD_SECONDS": "0.2",
    }
    pulled = subprocess.run(
        container.init_command, env=env, cwd=ROOT, capture_output=True, timeout=20, check=False
    )
    assert pulled.returncode == 0, pulled.stderr

    with Sim("ollama", env=env, at=(ADDRESS, int(env["OLLAMA_HOST"].rpartition(":")[2]))) as sim:
        probe = subprocess.run(
            container.startup.command, env=env, cwd=ROOT, capture_output=True, timeout=20, check=False
        )
        loaded = [model["name"] for model in sim.get("/api/ps").json()["models"]]

    assert probe.returncode == 0, probe.stderr
    assert loaded == ["qwen3:4b"]
