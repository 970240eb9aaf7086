"""Reads the stack's configuration: the only reader of pulumi.Config."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pulumi
from pulumi.runtime.config import is_config_secret

from components.external_secrets import RemoteValue
from infra.checking import PROJECT, check_stack, no_settings, report
from infra.plan import StackPlan
from infra.secret_keys import TENANT_KEYS, State, check_secrets, check_tenant_keys, required_secrets
from infra.stackfile.stack import StackSettings
from planner.finding import Finding


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack file as the program needs it."""

    settings: StackSettings
    plan: StackPlan
    secrets: Mapping[str, pulumi.Output[str] | RemoteValue]
    """Every single-valued secret by its config key; empty where they come from elsewhere."""
    tenant_keys: pulumi.Output[dict[str, str]] | RemoteValue
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
        raise pulumi.RunError(report([no_settings()]))
    today = date.today()
    checked = check_stack(raw, today)
    findings = list(checked.findings)
    settings, plan = checked.settings, checked.plan
    keys = required_secrets(settings) if settings else {}
    if settings:
        states: dict[str, State] = {
            key: "secret" if is_config_secret(f"{PROJECT}:{key}") else "clear"
            for key in keys
            if config.get(key) is not None
        }
        holders = config.get_object(TENANT_KEYS) if TENANT_KEYS in states else {}
        findings += check_secrets(settings, states, frozenset(holders or {}))
        findings += check_tenant_keys(settings.tenants, holders or {})
    if settings is None or plan is None or any(finding.severity == "error" for finding in findings):
        raise pulumi.RunError(report(findings))
    return Stack(
        settings=settings,
        plan=plan,
        secrets={key: config.require_secret(key) for key in keys if key != TENANT_KEYS},
        tenant_keys=config.get_secret_object(TENANT_KEYS) or pulumi.Output.secret({}),
        warnings=tuple(findings),
        today=today,
    )
