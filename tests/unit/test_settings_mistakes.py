"""Every mistake of a stack file is told once, with its path and what would be right."""

from pathlib import Path
from typing import Any

import pytest

from infra.checking import check_settings, check_stack, check_stack_file
from infra.secret_keys import check_secrets, check_tenant_keys, required_secrets
from planner.finding import INVALID_SETTING, Severity
from tests.stack_files import ROOT, STACKS, stack_config, valid, with_value, without

VERSION = "models.chat.versions.v1"

MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown key", with_value("modles", {}), "modles", "did you mean models?"),
    ("unknown key of a version", with_value(f"{VERSION}.max_len", 1), f"{VERSION}.max_len", "did you mean max_model_len?"),
    ("wrong type", with_value("pools.l4.max", "many"), "pools.l4.max", "should be a valid integer"),
    ("number as text", with_value("pools.l4.max", "4"), "pools.l4.max", "should be a valid integer"),
    ("out of range", with_value(f"{VERSION}.gpu_memory_utilization", 1.5), f"{VERSION}.gpu_memory_utilization", "less than or equal to 1"),
    ("unknown engine", with_value(f"{VERSION}.engine", "vlm"), f"{VERSION}.engine", "did you mean vllm?"),
    ("missing field", without(f"{VERSION}.model"), f"{VERSION}.model", "add it"),
    ("missing section", without("cluster"), "cluster", "add it"),
    ("unknown kind of cluster", with_value("cluster.kind", "gke"), "cluster.kind", "eks, existing"),
    ("unknown pool", with_value(f"{VERSION}.pool", "l40"), f"{VERSION}.pool", "did you mean l4?"),
    ("unknown instance type", with_value("pools.l4.instance_type", "g6.2xlrge"), "pools.l4.instance_type", "did you mean g6.2xlarge?"),
    ("unknown version in traffic", with_value("models.chat.traffic", {"v1": 90, "v3": 10}), "models.chat.traffic.v3", "known: v1, v2"),
    ("traffic does not sum to 100", with_value("models.chat.traffic", {"v1": 90, "v2": 20}), "models.chat.traffic", "make it 100"),
    ("negative traffic", with_value("models.chat.traffic", {"v1": 100, "v2": -10}), "models.chat.traffic.v2", "greater than or equal to 0"),
    ("traffic missing", without("models.chat.traffic"), "models.chat.traffic", "say how many percent"),
    ("unknown model as fallback", with_value("models.chat.fallbacks", ["sumary"]), "models.chat.fallbacks", "did you mean summary?"),
    ("fallback to itself", with_value("models.chat.fallbacks", ["chat"]), "models.chat.fallbacks", "name another model"),
    ("fallbacks in a circle", with_value("models.summary.fallbacks", ["chat"]), "models.chat.fallbacks", "break it"),
    ("unknown context fallback", with_value("models.chat.context_fallback", "opnai"), "models.chat.context_fallback", "did you mean openai?"),
    ("context fallback that is shorter", with_value("models.chat.context_fallback", "summary"), "models.chat.context_fallback", "longer context"),
    ("unknown model of a tenant", with_value("tenants.search.models", ["chta"]), "tenants.search.models", "did you mean chat?"),
    ("tenant without models", with_value("tenants.search.models", []), "tenants.search.models", "known: chat"),
    ("model without versions", with_value("models.chat.versions", {}), "models.chat.versions", "declare at least one"),
    ("scaling min over max", with_value("models.chat.scaling", {"min": 3, "max": 2}), "models.chat.scaling.min", "lower min"),
    ("waiver without reason", with_value("waivers", [{"rule": "spot-only", "until": "2027-01-01"}]), "waivers.0.reason", "add it"),
    ("waiver until no day", with_value("waivers", [{"rule": "spot-only", "reason": "x", "until": "soon"}]), "waivers.0.until", "valid date"),
    ("measured without its source", with_value(f"{VERSION}.measured", {"output_tokens_per_second": 100}), f"{VERSION}.measured.source", "add it"),
    ("weights of no size", with_value(f"{VERSION}.weights_gib", 0), f"{VERSION}.weights_gib", "greater than 0"),
    ("config.json of nothing", with_value(f"{VERSION}.config_json", {"a": 1}), f"{VERSION}.config_json", "lacks num_hidden_layers"),
    ("requests of no tokens", with_value("models.chat.requests", {"input_tokens": 0}), "models.chat.requests.input_tokens", "greater than or equal to 1"),
    ("pool min over max", with_value("pools.l4.min", 9), "pools.l4.min", "lower min"),
    ("gateway min over max", with_value("gateway.replicas", {"min": 5, "max": 2}), "gateway.replicas.min", "lower min"),
    ("unknown gateway pool", with_value("gateway.pool", "system"), "gateway.pool", "l4"),
    ("replicas and scaling", with_value(f"{VERSION}.replicas", 2), f"{VERSION}.replicas", "remove one"),
    ("name not for Kubernetes", with_value("tenants.Big_One", {"models": ["chat"]}), "tenants.Big_One", "lower-case"),
    ("name too long", with_value("models.chat.versions." + "v" * 60, {"engine": "vllm", "model": "m", "pool": "l4"}), "models.chat.versions." + "v" * 60, "may have"),
    ("two versions of one Kubernetes name", with_value("models.chat-two", {"versions": {"x": {"engine": "vllm", "model": "m", "pool": "l4"}}}, with_value("models.chat.versions.two-x", {"engine": "vllm", "model": "m", "pool": "l4"})), "models.chat-two", "rename one"),
    ("model called gateway", with_value("models.gateway", {"provider": "openai", "model": "m", "api_key": "k"}), "models.gateway", "another name"),
    ("image without a tag", with_value(f"{VERSION}.image", "vllm/vllm-openai"), f"{VERSION}.image", "tag"),
    ("image latest", with_value(f"{VERSION}.image", "vllm/vllm-openai:latest"), f"{VERSION}.image", "tag"),
    ("gateway image latest", with_value("gateway.image", "litellm:latest"), "gateway.image", "tag"),
    ("removed engine flag", with_value(f"{VERSION}.flags", {"guided-decoding-backend": "x"}), f"{VERSION}.flags.guided-decoding-backend", "structured-outputs-config"),
    ("unknown engine flag", with_value(f"{VERSION}.flags", {"enable-lorra": True}), f"{VERSION}.flags.enable-lorra", "enable-lora"),
    ("unknown engine version", with_value(f"{VERSION}.engine_version", "0.1.0"), f"{VERSION}.engine_version", "0.33.0"),
    ("more GPUs than a node has", with_value(f"{VERSION}.tensor_parallel", 4), f"{VERSION}.pool", "larger type"),
    ("more memory than a node has", with_value(f"{VERSION}.memory_gib", 64), f"{VERSION}.memory_gib", "larger type"),
    ("shared memory over memory", with_value(f"{VERSION}.shm_gib", 24, with_value(f"{VERSION}.memory_gib", 24)), f"{VERSION}.shm_gib", "raise memory_gib"),
    ("token for an engine that takes none", with_value("models.summary.versions.tgi", {"engine": "ollama", "model": "m:1", "pool": "l4", "model_token": "hf"}), "models.summary.versions.tgi.model_token", "remove it"),
    ("host path missing", with_value(f"{VERSION}.cache", {"kind": "host_path"}), f"{VERSION}.cache.host_path", "folder"),
    ("KEDA without Prometheus", with_value("models.chat.scaling", {"max": 2, "via": "keda"}), "observability.prometheus_url", "add it"),
    ("two Prometheuses", with_value("observability", {"prometheus": {}, "prometheus_url": "http://p:9090"}), "observability.prometheus_url", "keep one"),
    ("own Prometheus without a tag", with_value("observability.prometheus", {"image": "prom/prometheus"}), "observability.prometheus.image", "tag"),
    ("own Redis without a password", with_value("gateway.redis", {}), "gateway.redis.password", "redis_password"),
    ("own Redis image latest", with_value("gateway.redis", {"password": "redis_password", "image": "redis:latest"}), "gateway.redis.image", "tag"),
    ("unknown scaling target", with_value("models.chat.scaling", {"max": 2, "target": {"waiting": 5}}), "models.chat.scaling", "waiting_requests"),
    ("slo without objectives", with_value("models.chat.scaling", {"max": 2, "preset": "slo"}), "models.chat.scaling", "objectives"),
    ("Secrets Manager without AWS", with_value("secrets", {"source": "secrets-manager"}), "secrets.source", "cluster.kind eks"),
    ("External Secrets without AWS", with_value("secrets", {"source": "external-secrets"}), "secrets.source", "cluster.kind eks"),
    ("ALB without certificate", with_value("gateway.ingress", {"hostname": "h"}), "gateway.ingress.certificate_arn", "add"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "raw", "path", "fix"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_each_mistake_is_told_once_with_its_path_and_what_would_be_right(
    what: str, raw: dict[str, Any], path: str, fix: str
) -> None:
    errors = [f for f in check_settings(raw)[1] if f.severity is Severity.ERROR]
    assert [f.path for f in errors] == [path], f"{what}: {[str(f) for f in errors]}"
    assert fix in f"{errors[0].message} {errors[0].fix}"


@pytest.mark.parametrize(("what", "raw", "path", "fix"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_beside_a_mistake_the_planner_tells_no_more_than_what_cannot_work(
    what: str, raw: dict[str, Any], path: str, fix: str
) -> None:
    del what, fix
    errors = check_stack(raw).errors
    assert path in {f.path for f in errors}
    assert {f.id for f in errors} <= {INVALID_SETTING, "drain-shorter-than-stream", "pool-too-small"}


def test_settings_without_mistakes_have_no_errors() -> None:
    settings, findings = check_settings(valid())
    assert settings is not None
    assert [str(f) for f in findings if f.severity is Severity.ERROR] == []


def test_a_file_with_twelve_mistakes_gives_twelve_findings_at_once() -> None:
    raw = valid()
    for path, value in {
        "modles": {},
        "cluster.kind": "gke",
        "pools.l4.min": 9,
        f"{VERSION}.pool": "l40",
        f"{VERSION}.max_model_len": "long",
        "models.chat.versions.v2.flags": {"guided-decoding-backend": "x"},
        "models.chat.traffic": {"v1": 90, "v2": 20},
        "models.chat.fallbacks": ["chat"],
        "models.chat.scaling": {"min": 3, "max": 2},
        "models.openai.daily_budget_usd": -1,
        "tenants.search.models": ["chta"],
        "gateway.pool": "system",
    }.items():
        with_value(path, value, raw)
    paths = sorted(f.path for f in check_settings(raw)[1] if f.severity is Severity.ERROR)
    assert paths == sorted(
        [
            "modles",
            "cluster.kind",
            "pools.l4.min",
            f"{VERSION}.pool",
            f"{VERSION}.max_model_len",
            "models.chat.versions.v2.flags.guided-decoding-backend",
            "models.chat.traffic",
            "models.chat.fallbacks",
            "models.chat.scaling.min",
            "models.openai.daily_budget_usd",
            "tenants.search.models",
            "gateway.pool",
        ]
    )


@pytest.mark.parametrize("stack", STACKS)
def test_the_repositorys_own_stack_files_have_no_errors(stack: str) -> None:
    findings = check_stack_file(ROOT / f"Pulumi.{stack}.yaml").findings
    assert [str(f) for f in findings if f.severity is Severity.ERROR] == []


def test_two_models_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.twice.yaml"
    path.write_text("config:\n  llmserve:settings:\n    models:\n      chat: {}\n      chat: {}\n")
    (finding,) = check_stack_file(path).findings
    assert "duplicate key" in finding.message
    assert "line 5" in finding.message


def test_a_file_that_is_not_there_or_not_yaml_is_told_without_a_traceback(tmp_path: Path) -> None:
    (missing,) = check_stack_file(tmp_path / "none.yaml").findings
    assert "cannot be read" in missing.message
    broken = tmp_path / "broken.yaml"
    broken.write_text("config: [")
    (finding,) = check_stack_file(broken).findings
    assert "is not YAML" in finding.message
    broken.write_text("config: {}")
    (finding,) = check_stack_file(broken).findings
    assert finding.path == "llmserve:settings"


def test_a_secret_in_clear_a_missing_secret_and_a_tenant_without_key_are_errors() -> None:
    settings, _ = check_settings(valid())
    assert settings is not None
    assert required_secrets(settings) == {
        "gateway_master_key": "gateway",
        "tenant_keys": "tenants",
        "openai_api_key": "models.openai.api_key",
    }
    findings = check_secrets(
        settings, {"gateway_master_key": "clear", "tenant_keys": "secret"}, frozenset({"search"})
    )
    assert [(f.path, f.message) for f in findings] == [
        ("llmserve:gateway_master_key", "is given in clear"),
        ("llmserve:openai_api_key", "is missing, and models.openai.api_key needs it"),
        ("llmserve:tenant_keys.batch", "is missing, and tenants.batch needs a key"),
    ]


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        ({"a": "sk-1", "b": "sk-2"}, []),
        ({"a": "sk-1 sk-1", "b": "sk-2"}, []),
        ({"a": "sk-1", "b": "sk-1"}, [("b", "a")]),
        ({"a": "sk-1 sk-2", "b": "sk-3\n sk-2"}, [("b", "a")]),
        ({"a": "sk-1", "b": "sk-1", "c": "sk-1"}, [("b", "a"), ("c", "a")]),
        ({"a": "sk-1", "b": "sk-1 sk-2", "c": "sk-2"}, [("b", "a"), ("c", "b")]),
        ({"a": " ", "b": "sk-2"}, [("a", None)]),
        ({"a": "sk-1", "somebody else": "sk-1", "b": "sk-2"}, []),
    ],
    ids=["two", "one twice", "shared", "one of several", "three", "a chain", "blank", "not of the stack"],
)
def test_a_key_of_two_tenants_names_both_and_never_the_key(
    keys: dict[str, str], paths: list[tuple[str, str | None]]
) -> None:
    findings = check_tenant_keys(["a", "b", "c"], keys)
    assert [f.path for f in findings] == [f"llmserve:tenant_keys.{tenant}" for tenant, _ in paths]
    for finding, (_, other) in zip(findings, paths, strict=True):
        assert finding.severity is Severity.ERROR
        assert (f"llmserve:tenant_keys.{other}" if other else "has no key in it") in finding.message
        assert "sk-" not in str(finding)


def test_a_secret_in_clear_in_a_file_is_an_error_and_a_missing_one_only_a_warning(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(
        yaml.safe_dump(
            {"config": {"llmserve:settings": stack_config("local"), "llmserve:openai_api_key": "sk-clear"}}
        )
    )
    findings = {f.path: f.severity for f in check_stack_file(path).findings if f.path.startswith("llmserve:")}
    assert findings == {
        "llmserve:openai_api_key": Severity.ERROR,
        "llmserve:gateway_master_key": Severity.WARNING,
        "llmserve:redis_password": Severity.WARNING,
        "llmserve:tenant_keys": Severity.WARNING,
    }
