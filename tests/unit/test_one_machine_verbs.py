"""`llmserve compose` and `docker-run` as a user runs them, and which version they choose."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from infra.stackfile.stack import StackSettings
from llmserve.cli import app
from one_machine.choose import choose
from one_machine.machine import Machine
from tests.stack_files import ROOT, stack_config, valid, with_value

PROD = str(ROOT / "Pulumi.prod.yaml")


def llmserve(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})


def chosen(model: str, version: str | None = None, **options: Any) -> Machine:
    settings = StackSettings.model_validate(valid())
    return choose(settings, model, version, **({"port": 8080, "publish": False} | options))


def test_compose_writes_a_file_that_says_how_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    done = llmserve("compose", "large", "--stack-file", PROD, "--port", "9000", "-o", str(path))
    assert (done.exit_code, done.output) == (0, "")
    text = path.read_text("utf-8")
    made_by = f"llmserve compose large --stack-file {PROD} --version qwen3-32b --replicas 1 --port 9000"
    assert text.startswith(f"# Made by: {made_by}\n")
    assert yaml.safe_load(text)["services"]["nginx"]["ports"] == ["127.0.0.1:9000:8080"]
    assert llmserve(*made_by.split()[1:]).stdout == text, "the same words make the same file"


def test_docker_run_prints_a_command_line() -> None:
    done = llmserve("docker-run", "chat", "--stack-file", PROD)
    assert done.exit_code == 0
    assert done.stdout.startswith("docker run --detach \\\n  --name chat-qwen3-8b \\\n")


def test_the_version_with_the_most_traffic_is_taken_unless_one_is_named() -> None:
    assert chosen("chat").version.version == "v1"
    assert chosen("chat", "v2").version.version == "v2"
    assert chosen("summary").version.version == "tgi"
    assert chosen("chat").longest_stream_seconds == 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["docker-run", "chta"],
            "models.chta: is not in the stack file; models with engines: chat, large, summary",
        ),
        (["compose", "openai"], "models.openai: is an external provider's, there is nothing to run"),
        (
            ["docker-run", "chat", "--version", "qwen3-8"],
            "models.chat.versions.qwen3-8: is not there; did you mean",
        ),
        (
            ["compose", "large", "--replicas", "2"],
            "2 x 4 GPUs are asked for, a node of pool l40s (g6e.12xlarge) has 4",
        ),
        (["compose", "chat", "--gpus", "0"], "1 x 1 GPUs are asked for, the machine has 0; give --gpus"),
        (
            ["compose", "chat", "-o", "/nowhere/compose.yaml"],
            "--output /nowhere/compose.yaml: cannot be written",
        ),
    ],
)
def test_what_cannot_be_run_is_told_in_words(arguments: list[str], words: str) -> None:
    done = llmserve(*arguments, "--stack-file", PROD)
    assert done.exit_code == 1
    assert words in done.output


def test_more_gpus_than_the_pools_node_has_can_be_said() -> None:
    assert chosen("chat", replicas=2, gpus=2).replicas == 2
    with pytest.raises(ValueError, match="fewer --replicas"):
        chosen("chat", replicas=2)


def test_a_stack_file_with_mistakes_describes_nothing_to_run(tmp_path: Path) -> None:
    raw = with_value("models.large.versions.qwen3-32b.tensor_parallel", 1, stack_config("prod"))
    path = tmp_path / "Pulumi.broken.yaml"
    path.write_text(yaml.safe_dump({"config": {"llmserve:settings": raw}}), encoding="utf-8")
    done = llmserve("compose", "chat", "--stack-file", str(path))
    assert done.exit_code == 1
    assert "1 mistake in the stack file:" in done.output
    assert "models.large" in done.output
