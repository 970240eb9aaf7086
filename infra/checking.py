"""Checks a stack file: its shape, its rules, and what the planner finds. Never imports Pulumi."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from infra import mistakes
from infra.checks import check
from infra.declared import Declared
from infra.plan import StackPlan, certain, plan_stack, sound_part
from infra.secret_keys import TENANT_KEYS, State, check_secrets
from infra.stack_reader import SETTINGS_KEY, read_stack_file, with_config_files
from infra.stackfile.stack import StackSettings
from planner.finding import Finding, Severity, error, warning

PROJECT = "llmserve"


@dataclass(frozen=True, kw_only=True)
class CheckedStack:
    """A stack file and everything that is to be said about it."""

    settings: StackSettings | None
    """None where nothing useful is left of it; with mistakes, what is left."""
    findings: tuple[Finding, ...]
    plan: StackPlan | None = None
    """None where there are mistakes."""

    @property
    def errors(self) -> list[Finding]:
        """What stops preview and up."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]


def check_stack(
    raw: Mapping[str, Any], today: date | None = None, *, folder: Path | None = None
) -> CheckedStack:
    """Check `llmserve:settings` as preview, up and `llmserve check` do; secrets are not looked at here.

    `today` decides on support of Kubernetes versions and on waivers; None = the date of this machine.
    `folder` is where paths of `config_json` start.
    """
    today = today or date.today()
    whole, unread = with_config_files(raw, folder or Path.cwd())
    settings, findings = check_settings(whole, today)
    findings += unread
    if settings is None:
        return CheckedStack(settings=None, findings=tuple(findings))
    if any(finding.severity is Severity.ERROR for finding in findings):
        left = sound_part(settings, findings)
        more = certain(plan_stack(left, today), findings) if left else ()
        return CheckedStack(settings=settings, findings=(*findings, *more))
    plan = plan_stack(settings, today)
    return CheckedStack(settings=settings, findings=(*findings, *plan.findings), plan=plan)


def check_settings(
    raw: Mapping[str, Any], today: date | None = None
) -> tuple[StackSettings | None, list[Finding]]:
    """Validate the shape of `llmserve:settings` first, then every rule on what is well formed.

    The planner is not asked: see `check_stack`.
    """
    settings, findings = mistakes.parse(raw)
    if settings is not None:
        findings += check(settings, Declared.of(raw), today or date.today())
    return settings, findings


def check_stack_file(path: Path, today: date | None = None) -> CheckedStack:
    """Find all mistakes of a stack file (Pulumi.<stack>.yaml) without Pulumi, cluster or secrets' values."""
    config, problem = read_stack_file(path)
    if problem is not None:
        return CheckedStack(settings=None, findings=(problem,))
    raw = config.get(SETTINGS_KEY)
    if not isinstance(raw, Mapping):
        return CheckedStack(settings=None, findings=(no_settings(),))
    found = check_stack(raw, today, folder=path.parent)
    if found.settings is None:
        return found
    secrets = check_secrets(found.settings, *_secrets_of_file(config), missing=warning)
    return CheckedStack(settings=found.settings, findings=(*found.findings, *secrets), plan=found.plan)


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


def no_settings() -> Finding:
    """What is said of a file without `llmserve:settings`."""
    return error(SETTINGS_KEY, "is missing", "see README.md, 'The stack file'")


def report(findings: tuple[Finding, ...] | list[Finding]) -> str:
    """All errors in one message, one line each."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    count = f"{len(errors)} mistake{'s' if len(errors) != 1 else ''}"
    return "\n".join([f"{count} in the stack file:", *(f"  {finding}" for finding in errors)])


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
