"""`llmserve check`, `plan` and `advise` as a user runs them: what they print and how they end."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from llmserve.cli import app
from tests.stack_files import ROOT, stack_config, with_value


def llmserve(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})


def broken(folder: Path) -> Path:
    raw = with_value("models.large.versions.qwen3-32b.tensor_parallel", 1, stack_config("prod"))
    path = folder / "Pulumi.broken.yaml"
    path.write_text(yaml.safe_dump({"config": {"llmserve:settings": raw}}), encoding="utf-8")
    return path


def test_check_prints_tables_and_ends_well_where_there_are_only_warnings() -> None:
    done = llmserve("check", str(ROOT / "Pulumi.prod.yaml"))
    assert done.exit_code == 0, done.output
    for title in ("memory", "times", "cost", "cost of tokens"):
        assert f" {title} " in done.output
    assert "Pulumi.prod.yaml: 0 mistakes" in done.output
    assert "waived until 2027-06-30: single-replica" in done.output


def test_check_in_json_has_the_promised_shape() -> None:
    done = llmserve("check", str(ROOT / "Pulumi.prod.yaml"), "--json")
    found = json.loads(done.stdout)
    assert set(found) == {"findings", "waived", "memory", "cost", "times"}
    assert {frozenset(finding) for finding in found["findings"]} == {
        frozenset({"id", "severity", "path", "message", "fix"})
    }
    assert found["memory"]["chat/qwen3-8b"]["verdict"] == "fits"
    assert found["cost"]["usd_per_hour"]["min"] > 0
    assert found["times"]["chat/qwen3-8b"]["start"]["new_node_seconds"]["likely"] > 60


def test_check_ends_with_1_where_there_is_an_error(tmp_path: Path) -> None:
    done = llmserve("check", str(broken(tmp_path)), "--json")
    assert done.exit_code == 1
    ids = {finding["id"] for finding in json.loads(done.stdout)["findings"] if finding["severity"] == "error"}
    assert ids == {"model-does-not-fit"}


def test_check_of_no_file_is_told_in_words() -> None:
    done = llmserve("check", "none.yaml")
    assert done.exit_code == 1
    assert "cannot be read: No such file or directory" in done.output


def test_plan_lists_what_fits_cheapest_first() -> None:
    done = llmserve("plan", "Qwen/Qwen3-8B", "--max-model-len", "16384", "--max-num-seqs", "32", "--json")
    assert done.exit_code == 0
    rows = [row for row in json.loads(done.stdout) if row["memory"]["verdict"] == "fits"]
    prices = [row["usd_per_hour"] for row in rows if row["usd_per_hour"] is not None]
    assert prices == sorted(prices)
    assert rows[0]["instance_type"] == "g6.xlarge"
    assert rows[0]["new_node_seconds"]["likely"] > 60
    assert rows[0]["output_tokens_per_second"]["likely"] > 0
    assert "g6.xlarge" in llmserve("plan", "Qwen/Qwen3-8B", "--max-model-len", "16384").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "Qwen/Qwen3-88B"], "is not in the catalogue; did you mean Qwen/Qwen3-8B?"),
        (["plan", "Qwen/Qwen3-8B", "--engine", "vlm"], "'vlm' is not an engine; did you mean vllm?"),
        (["plan", "own/model", "--config-json", "none.json"], "none.json cannot be read"),
        (["advise", "--gpu", "L44"], "is not a chip of the catalogue; did you mean"),
        (["advise", "--ecosystem", "huggingface"], "did you mean hugging-face?"),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest_right_one(arguments: list[str], words: str) -> None:
    done = llmserve(*arguments)
    assert done.exit_code == 1
    assert words in done.output


def test_advise_ranks_the_engines_with_reasons() -> None:
    done = llmserve("advise", "--users", "100", "--model-size", "8", "--gpu", "l4", "--json")
    assert done.exit_code == 0
    engines = json.loads(done.stdout)["engines"]
    assert engines[0]["engine"] == "vllm"
    assert engines[0]["reasons"]
    assert "comparison" in llmserve("advise").output


@pytest.mark.parametrize("verb", ["check", "plan", "advise", "schema", "local"])
def test_every_verb_says_what_it_does(verb: str) -> None:
    done = llmserve(verb, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output
    assert verb in llmserve("--help").output
