"""Reads stack files: the only reader of pulumi.Config, and the check of a file without Pulumi."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.config import is_config_secret
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from infra import mistakes
from infra.checks import check
from infra.declared import Declared
from infra.secret_keys import TENANT_KEYS, State, check_secrets, required_secrets
from infra.stackfile.stack import StackSettings
from planner.finding import Finding, Severity, error, warning

PROJECT = "llmserve"
SETTINGS_KEY = f"{PROJECT}:settings"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack file as the program needs it."""

    settings: StackSettings
    secrets: Mapping[str, pulumi.Output[str]]
    """Every single-valued secret by its config key; empty where they come from elsewhere."""
    tenant_keys: pulumi.Output[dict[str, str]]
    """Key by tenant."""
    warnings: tuple[Finding, ...]
    today: date
    """What support of Kubernetes versions was judged by."""


def load() -> Stack:
    """Read the stack's configuration.

    Raises pulumi.RunError, which shows all mistakes and no traceback.
    """
    config = pulumi.Config(PROJECT)
    raw = config.get_object("settings")
    if not isinstance(raw, Mapping):
        raise pulumi.RunError(_report([_no_settings()]))
    today = date.today()
    settings, findings = check_settings(raw, today)
    keys = required_secrets(settings) if settings else {}
    if settings:
        states: dict[str, State] = {
            key: "secret" if is_config_secret(f"{PROJECT}:{key}") else "clear"
            for key in keys
            if config.get(key) is not None
        }
        holders = config.get_object(TENANT_KEYS) if TENANT_KEYS in states else {}
        findings += check_secrets(settings, states, frozenset(holders or {}))
    if settings is None or any(finding.severity is Severity.ERROR for finding in findings):
        raise pulumi.RunError(_report(findings))
    return Stack(
        settings=settings,
        secrets={key: config.require_secret(key) for key in keys if key != TENANT_KEYS},
        tenant_keys=config.get_secret_object(TENANT_KEYS) or pulumi.Output.secret({}),
        warnings=tuple(findings),
        today=today,
    )


def check_settings(
    raw: Mapping[str, Any], today: date | None = None
) -> tuple[StackSettings | None, list[Finding]]:
    """Validate `llmserve:settings`: the shape first, then every rule on what is well formed.

    `today` decides on support of Kubernetes versions; None = the date of this machine.
    """
    settings, findings = mistakes.parse(raw)
    if settings is not None:
        findings += check(settings, Declared.of(raw), today or date.today())
    return settings, findings


def check_stack_file(path: Path) -> list[Finding]:
    """Find all mistakes of a stack file (Pulumi.<stack>.yaml) without Pulumi, cluster or secrets' values."""
    try:
        content = YAML(typ="safe").load(path)
    except OSError as problem:
        return [error(str(path), f"cannot be read: {problem.strerror}", "name a stack file")]
    except YAMLError as problem:
        return [error(str(path), f"is not YAML: {' '.join(str(problem).split())}", "mend it there")]
    config = content.get("config") if isinstance(content, Mapping) else None
    raw = config.get(SETTINGS_KEY) if isinstance(config, Mapping) else None
    if not isinstance(config, Mapping) or not isinstance(raw, Mapping):
        return [_no_settings()]
    settings, findings = check_settings(raw)
    if settings is not None:
        findings += check_secrets(settings, *_secrets_of_file(config), missing=warning)
    return findings


def json_schema() -> dict[str, Any]:
    """JSON Schema of a stack file, for editors."""
    settings = StackSettings.model_json_schema(ref_template="#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmserve stack file (Pulumi.<stack>.yaml)",
        "type": "object",
        "properties": {
            "config": {"type": "object", "properties": {SETTINGS_KEY: {"$ref": "#/$defs/StackSettings"}}}
        },
        "$defs": {**settings.pop("$defs"), "StackSettings": settings},
    }


def _no_settings() -> Finding:
    return error(SETTINGS_KEY, "is missing", "see README.md, 'The stack file'")


def _secrets_of_file(config: Mapping[str, Any]) -> tuple[dict[str, State], frozenset[str] | None]:
    """How each key of a file is given, and the tenants with a key (None: all in one encrypted value)."""
    prefix = f"{PROJECT}:"
    states: dict[str, State] = {
        key.removeprefix(prefix): "secret" if _encrypted(value) else "clear"
        for key, value in config.items()
        if key.startswith(prefix) and key != SETTINGS_KEY
    }
    holders = config.get(f"{prefix}{TENANT_KEYS}", {})
    known = isinstance(holders, Mapping) and "secure" not in holders
    return states, frozenset(holders) if known else None


def _encrypted(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return set(value) == {"secure"} or all(_encrypted(child) for child in value.values())


def _report(findings: list[Finding]) -> str:
    """All errors in one message, one line each."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    count = f"{len(errors)} mistake{'s' if len(errors) != 1 else ''}"
    return "\n".join([f"{count} in the stack file:", *(f"  {finding}" for finding in errors)])
