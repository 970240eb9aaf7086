"""What a whole stack file is told: rules and planner together, as preview and `llmserve check` do."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checking import CheckedStack, check_stack, check_stack_file
from infra.plan_figures import capacity_figures, cost_figures, memory_figures, time_figures
from planner.finding import INVALID_SETTING, RISKY_SETTING
from tests.stack_files import ROOT, STACKS, eks_valid, stack_config, valid, with_value

TODAY = date(2026, 11, 26)
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}
V1 = "models.chat.versions.v1"


def production() -> dict[str, Any]:
    """The stack file of production, which has no errors."""
    return stack_config("prod")


def checked(raw: dict[str, Any], today: date = TODAY) -> CheckedStack:
    return check_stack(raw, today)


def ids(found: CheckedStack) -> dict[str, str]:
    """Severity by id of the planner's rules."""
    return {f.id: str(f.severity) for f in found.findings if f.id not in (INVALID_SETTING, RISKY_SETTING)}


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_files_here_have_no_errors(stack: str) -> None:
    assert checked(stack_config(stack)).errors == []


def test_a_model_that_does_not_fit_is_an_error_with_both_numbers_and_what_would_fit() -> None:
    raw = with_value(f"{V1}.model", "Qwen/Qwen3-32B")
    (error,) = [f for f in checked(raw).findings if f.id == "model-does-not-fit"]
    assert error.path == V1
    assert error.severity == "error"
    assert "weights do not fit" in error.message or "KV cache" in error.message
    assert "20.0 of 22.0 GiB" in error.message or "GiB a GPU: weights 61." in error.message
    assert "instance_type" in error.fix
    assert "USD/h" in error.fix


def test_the_change_that_is_advised_makes_it_fit() -> None:
    raw = with_value(f"{V1}.max_model_len", 40960, with_value(f"{V1}.max_num_seqs", 32))
    (told,) = [
        f
        for f in checked(raw).findings
        if f.id in ("model-does-not-fit", "memory-uncertain") and f.path == V1
    ]
    length = int(told.fix.split("max_model_len at most ")[1].split(";")[0])
    assert not [
        f
        for f in checked(with_value(f"{V1}.max_model_len", length, raw)).findings
        if f.id in ("model-does-not-fit", "memory-uncertain") and f.path == V1
    ]


def test_an_unknown_model_is_too_close_to_call_and_says_what_to_give() -> None:
    found = checked(with_value(f"{V1}.model", "someone/very-own-model"))
    (told,) = [f for f in found.findings if f.path == V1 and f.id == "memory-uncertain"]
    assert told.severity == "warning"
    assert told.fix == "give its config_json, and weights_gib if you know it"


def test_with_its_config_json_an_unknown_model_is_judged() -> None:
    raw = with_value(f"{V1}.config_json", CONFIG, with_value(f"{V1}.model", "someone/very-own-model"))
    plan = checked(raw).plan
    assert plan is not None
    memory = memory_figures(plan)["chat/v1"]
    assert memory["verdict"] == "fits"
    assert memory["weights_gib"] == pytest.approx(14.96, abs=0.1)


def test_config_json_may_be_a_file_beside_the_stack_file(tmp_path: Path) -> None:
    raw = with_value(f"{V1}.config_json", "own.json", with_value(f"{V1}.model", "someone/very-own-model"))
    (tmp_path / "own.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    found = check_stack(raw, TODAY, folder=tmp_path)
    assert found.plan is not None
    assert memory_figures(found.plan)["chat/v1"]["verdict"] == "fits"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "own.json cannot be read: No such file or directory"),
        ("no json", "own.json is not JSON"),
        ("[1]", "own.json holds no JSON object"),
        ('{"text_config": 5}', "cannot be read"),
        ('{"hidden_size": 4096}', "lacks num_hidden_layers"),
        (json.dumps(CONFIG | {"num_hidden_layers": "many"}), "cannot be read"),
        (json.dumps(CONFIG | {"head_dim": -1}), "has a size below 1"),
    ],
)
def test_a_config_json_that_is_none_is_told(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "own.json").write_text(content, encoding="utf-8")
    found = check_stack(with_value(f"{V1}.config_json", "own.json"), TODAY, folder=tmp_path)
    (told,) = found.errors
    assert told.path == f"{V1}.config_json"
    assert message in told.message


@pytest.mark.parametrize(
    ("path", "value", "rule", "severity"),
    [
        (f"{V1}.model", "Qwen/Qwen3-32B", "model-does-not-fit", "error"),
        (f"{V1}.startup_seconds", 60, "startup-budget-too-short", "error"),
        (f"{V1}.startup_seconds", 300, "startup-budget-too-short", "warning"),
        (f"{V1}.drain_seconds", 10, "drain-shorter-than-stream", "error"),
        (f"{V1}.prestop_seconds", 1, "prestop-too-short", "warning"),
        ("models.chat.requests", {"longest_output_tokens": 100000}, "stream-cut-before-its-end", "warning"),
        (
            "models.chat.objectives",
            {"ttft_p95_seconds": 0.001, "tpot_p95_seconds": 1},
            "objective-out-of-reach",
            "warning",
        ),
        ("pools.l4.max", 2, "pool-too-small", "error"),
        ("pools.l4.max", 4, "pool-below-maximum", "warning"),
        ("pools.l4.max", 5, "pool-without-surge", "warning"),
        (f"{V1}.flags", {"trust-remote-code": True}, "remote-code-trusted", "warning"),
        ("gateway.cors_origins", ["*"], "cors-any-origin", "warning"),
    ],
)
def test_every_class_of_finding_reaches_the_check(path: str, value: Any, rule: str, severity: str) -> None:
    assert rule not in ids(checked(with_value("pools.l4.max", 8)))
    raw = with_value("pools.l4.max", 8)
    assert ids(checked(with_value(path, value, raw)))[rule] == severity


def test_a_pool_nobody_adds_nodes_to_is_held_to_its_fewest() -> None:
    raw = with_value("cluster.autoscaler", "none", eks_valid())
    (told,) = [f for f in checked(raw).findings if f.id == "pool-too-small"]
    assert told.path == "pools.l4.min"
    assert "is 1, and nobody adds nodes" in told.message


def test_the_checklist_weighs_by_environment() -> None:
    raw = with_value("gateway.cors_origins", ["*"], production())
    assert ids(checked(raw))["cors-any-origin"] == "error"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("cluster.public_access_cidrs", ["0.0.0.0/0"], "cluster-endpoint-open"),
        ("cluster.deletion_protection", False, "deletion-not-protected"),
        ("cluster.protect_data", False, "data-not-protected"),
        ("gateway.replicas", {"min": 1, "max": 2}, "single-gateway-replica"),
        ("models.summary.fallbacks", [], "spot-only"),
        ("platform.alerts", {"enabled": False}, "alerts-off"),
    ],
)
def test_production_refuses_what_only_risks_a_development_stack(path: str, value: Any, rule: str) -> None:
    assert ids(checked(with_value(path, value, production())))[rule] == "error"
    raw = with_value(path, value, production()) | {"environment": "development"}
    assert ids(checked(raw)).get(rule) in (None, "warning")


WAIVER = {"rule": "cors-any-origin", "reason": "a public demo", "until": "2026-12-31"}


def waived(waiver: dict[str, Any], today: date = TODAY) -> CheckedStack:
    raw = with_value("gateway.cors_origins", ["*"], production())
    return checked(with_value("waivers", [*raw["waivers"], waiver], raw), today)


def test_a_waiver_takes_its_finding_out_and_stays_visible() -> None:
    found = waived(WAIVER)
    assert found.plan is not None
    assert "cors-any-origin" not in ids(found)
    assert "cors-any-origin" in {one.finding.id for one in found.plan.waived}


@pytest.mark.parametrize(
    ("waiver", "rule", "severity"),
    [
        (WAIVER | {"until": "2026-11-25"}, "waiver-expired", "error"),
        (WAIVER | {"rule": "cors-any-orgin"}, "waiver-unknown-rule", "error"),
        (WAIVER | {"reason": " "}, "waiver-without-reason", "error"),
        (WAIVER | {"path": "models.chat"}, "waiver-without-effect", "warning"),
    ],
)
def test_a_waiver_that_does_not_hold_is_told_and_waives_nothing(
    waiver: dict[str, Any], rule: str, severity: str
) -> None:
    found = ids(waived(waiver))
    assert found[rule] == severity
    assert found["cors-any-origin"] == "error"


def test_what_cannot_work_is_not_waived() -> None:
    raw = with_value(f"{V1}.model", "Qwen/Qwen3-32B")
    raw["waivers"] = [{"rule": "model-does-not-fit", "reason": "it must", "until": "2026-12-31"}]
    assert {"model-does-not-fit", "waiver-not-allowed"} <= {f.id for f in checked(raw).errors}


def test_what_does_not_fit_is_told_at_once_with_what_is_misspelt() -> None:
    raw = with_value(f"{V1}.model", "Qwen/Qwen3-32B", with_value("models.chat.versions.v2.pol", "l4"))
    raw["models"]["chat"]["versions"]["v2"].pop("pool")
    assert "model-does-not-fit" in {f.id for f in checked(raw).errors}
    assert f"{V1.replace('v1', 'v2')}.pol" in {f.path for f in checked(raw).errors}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2]",
        "config: 5",
        "config: {llmserve:settings: [1]}",
        "config: {llmserve:settings: {pools: {1: 2026-01-01, 2026-01-01: x}}}",
        "config: {llmserve:settings: {models: {a: {versions: {b: {engine: vllm, flags: [1]}}}}}}",
        "config: &a {llmserve:settings: *a}",
        "a: b: c",
        "\x00",
        "config: {llmserve:settings: {waivers: [{rule: 1, until: 2026-13-45}]}}",
        "config: {llmserve:settings: !!binary aGk=}",
    ],
)
def test_no_file_however_broken_makes_a_traceback(tmp_path: Path, content: str) -> None:
    path = tmp_path / "Pulumi.broken.yaml"
    path.write_text(content, encoding="utf-8")
    assert check_stack_file(path).errors


def test_a_day_may_be_given_as_yaml_knows_days(tmp_path: Path) -> None:
    raw = production()
    raw["waivers"][0]["until"] = date(2027, 3, 31)
    path = tmp_path / "Pulumi.own.yaml"
    path.write_text(yaml.safe_dump({"config": {"llmserve:settings": raw}}), encoding="utf-8")
    assert check_stack_file(path, TODAY).errors == []


def test_the_figures_are_plain_data_and_name_every_version() -> None:
    plan = checked(production()).plan
    assert plan is not None
    figures = [make(plan) for make in (memory_figures, time_figures, cost_figures, capacity_figures)]
    json.dumps(figures)
    memory, times, cost, capacity = figures
    assert list(memory) == list(times)
    assert next(iter(memory)) == "chat/qwen3-8b"
    assert memory["chat/qwen3-8b"]["verdict"] == "fits"
    assert cost["pools"]["l4"]["usd_per_hour"] == {"min": 3.91, "max": 9.776}
    assert capacity["pools"]["l4"]["nodes_needed"] == {"min": 4, "max": 8, "rolling": 9}
    assert capacity["quota_vcpus"]["L-DB2E81BA"]["max"] == 176


def test_a_measured_value_takes_the_place_of_the_estimate() -> None:
    measured = {"output_tokens_per_second": 400.0, "source": "llmserve local load, 2026-11-26"}
    plan = checked(with_value(f"{V1}.measured", measured)).plan
    assert plan is not None
    answer = time_figures(plan)["chat/v1"]["answer"]
    assert answer["kind"] == "measured"
    assert answer["output_tokens_per_second"] == {"low": 400, "likely": 400, "high": 400}


def test_s3_weights_are_known_by_their_last_name() -> None:
    plan = checked(production()).plan
    assert plan is not None
    assert next(v for v in plan.versions if v.spec.model == "large").request.model.id == "Qwen/Qwen3-32B"  # type: ignore[union-attr]


def test_rendering_waits_as_long_as_the_estimate_says() -> None:
    plan = checked(stack_config("local")).plan
    assert plan is not None
    version = plan.versions[0]
    assert version.start is not None
    high, likely = version.start.container_seconds.high, version.start.new_node_seconds.likely
    assert version.spec.startup_seconds >= high
    before = version.start.new_node_seconds.high - high
    assert version.spec.node_seconds == pytest.approx(before, abs=60)
    assert version.spec.scaling is not None
    assert version.spec.scaling.down.stabilization_seconds >= likely


def test_the_repositorys_own_files_are_read_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_stack_file(ROOT / "Pulumi.prod.yaml", TODAY).errors == []


def test_settings_without_anything_wrong_are_planned() -> None:
    assert checked(valid()).plan is not None
