"""A valid `llmserve:settings` to mutate, and the repository's own stack files."""

import copy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
STACKS = ("local", "dev", "prod")

_VALID: dict[str, Any] = {
    "cluster": {"kind": "existing", "context": "somewhere"},
    "pools": {"l4": {"instance_type": "g6.2xlarge", "min": 1, "max": 4}},
    "models": {
        "chat": {
            "versions": {
                "v1": {"engine": "vllm", "model": "Qwen/Qwen3-8B", "pool": "l4", "max_model_len": 8192},
                "v2": {"engine": "vllm", "model": "Qwen/Qwen3-8B-FP8", "pool": "l4", "max_model_len": 8192},
            },
            "traffic": {"v1": 90, "v2": 10},
            "scaling": {"min": 1, "max": 2},
            "fallbacks": ["summary", "openai"],
            "context_fallback": "openai",
        },
        "summary": {
            "versions": {"tgi": {"engine": "tgi", "model": "org/model", "pool": "l4", "max_model_len": 4096}}
        },
        "openai": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "api_key": "openai_api_key",
            "max_model_len": 128000,
        },
    },
    "tenants": {"search": {"models": ["chat"]}, "batch": {"models": ["summary"], "priority": "low"}},
}


def valid() -> dict[str, Any]:
    """A fresh copy of settings without mistakes."""
    return copy.deepcopy(_VALID)


def eks_valid() -> dict[str, Any]:
    """A fresh copy of settings without mistakes for a cluster on EKS."""
    raw = valid()
    raw["cluster"] = {
        "kind": "eks",
        "name": "test",
        "region": "us-west-2",
        "kubernetes_version": "1.35",
        "availability_zones": ["us-west-2a", "us-west-2b"],
    }
    raw["pools"] = {
        "system": {"instance_type": "m7i.large", "min": 2, "max": 3},
        "l4": {"instance_type": "g6.2xlarge", "min": 1, "max": 8},
    }
    return raw


def with_value(path: str, value: Any, raw: dict[str, Any] | None = None) -> dict[str, Any]:
    """Settings with `value` at a dotted path; parents are made where missing."""
    tree = valid() if raw is None else raw
    *parents, key = path.split(".")
    node = tree
    for part in parents:
        node = node.setdefault(part, {})
    node[key] = value
    return tree


def without(path: str) -> dict[str, Any]:
    """Settings without the key at a dotted path."""
    tree = valid()
    *parents, key = path.split(".")
    node = tree
    for part in parents:
        node = node[part]
    del node[key]
    return tree


def stack_config(stack: str) -> dict[str, Any]:
    """`llmserve:settings` of Pulumi.<stack>.yaml."""
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    settings: dict[str, Any] = content["config"]["llmserve:settings"]
    return settings


def secrets_for(raw: dict[str, Any]) -> dict[str, Any]:
    """Made-up values for every secret config key the settings need."""
    keys: dict[str, Any] = {
        "gateway_master_key": "sk-master-of-a-test",
        "tenant_keys": {tenant: f"sk-{tenant}-of-a-test" for tenant in raw["tenants"]},
    }
    for model in raw["models"].values():
        if "api_key" in model:
            keys[model["api_key"]] = "sk-provider-of-a-test"
        for version in model.get("versions", {}).values():
            if "model_token" in version:
                keys[version["model_token"]] = "hf-of-a-test"
    redis = raw.get("gateway", {}).get("redis", {})
    if "password" in redis:
        keys[redis["password"]] = "redis-of-a-test"
    stack = raw.get("platform", {}).get("prometheus_stack", {})
    if raw["cluster"].get("kind") == "eks":
        keys["grafana_admin_password"] = "grafana-of-a-test"
    if "alertmanager_config" in stack:
        keys[stack["alertmanager_config"]] = "receivers-of-a-test"
    return keys
