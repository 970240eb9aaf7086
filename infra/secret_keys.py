"""Which secret config keys a stack file needs, and whether they are there as secrets. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from infra.resolve_charts import chart_secrets
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ExternalModelSettings, ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.finding import Finding, error

State = Literal["secret", "clear"]

MASTER_KEY = "gateway_master_key"
TENANT_KEYS = "tenant_keys"
_TENANT_KEYS_PATH = f"llmserve:{TENANT_KEYS}"


def provider_keys(settings: StackSettings) -> dict[str, str]:
    """Config keys for what the gateway calls outside, each with the path of the setting that names it."""
    keys: dict[str, str] = {}
    for name, model in settings.models.items():
        if isinstance(model, ExternalModelSettings):
            keys.setdefault(model.api_key, f"models.{name}.api_key")
    if moderation := settings.gateway.moderation:
        keys.setdefault(moderation.api_key, "gateway.moderation.api_key")
    return keys


def token_keys(settings: StackSettings) -> dict[str, str]:
    """Config keys of tokens for gated weights, each with the path of the setting that names it first."""
    keys: dict[str, str] = {}
    for name, model in settings.models.items():
        if isinstance(model, ServedModelSettings):
            for version_name, version in model.versions.items():
                if version.model_token:
                    keys.setdefault(version.model_token, f"models.{name}.versions.{version_name}.model_token")
    return keys


def own_passwords(settings: StackSettings) -> frozenset[str]:
    """Config keys whose values nobody outside gives: what runs in the stack alone asks for them."""
    redis = settings.gateway.redis
    return frozenset(
        {MASTER_KEY} | ({redis.password} if redis and redis.is_own and redis.password else set())
    )


def required_secrets(settings: StackSettings) -> dict[str, str]:
    """Config keys that must be set as secrets, each with the path of the setting that asks for it."""
    return secret_keys(settings) if settings.secrets.source == "config" else {}


def secret_keys(settings: StackSettings) -> dict[str, str]:
    """Names of all secrets the stack needs, each with the path of the setting that asks for it."""
    redis = settings.gateway.redis
    return {
        MASTER_KEY: "gateway",
        **({TENANT_KEYS: "tenants"} if settings.tenants else {}),
        **provider_keys(settings),
        **token_keys(settings),
        **({redis.password: "gateway.redis.password"} if redis and redis.password else {}),
        **chart_secrets(settings),
    }


def secrets_region(settings: StackSettings) -> str | None:
    """Region of the secrets that only the cluster reads; None = the program has the values."""
    cluster = settings.cluster
    if not settings.secrets.in_cluster or not isinstance(cluster, EksClusterSettings):
        return None
    return cluster.region


def secret_names(settings: StackSettings) -> list[str]:
    """Names in Secrets Manager, as IAM patterns, that External Secrets Operator may read.

    Those of the stack alone where it makes the stack's Secrets; else all below the prefix, for your own.
    """
    prefix = settings.secrets.prefix
    if not settings.secrets.in_cluster:
        return [f"{prefix}*"]
    return [f"{prefix}{key}-??????" for key in sorted(secret_keys(settings))]


def check_secrets(
    settings: StackSettings,
    states: Mapping[str, State],
    key_holders: frozenset[str] | None,
    missing: Callable[[str, str, str], Finding] = error,
) -> list[Finding]:
    """Find keys that are missing or given in clear, and tenants without a key.

    `states` tells how each config key present is given; `key_holders` are the tenants `tenant_keys` has a
    key for, None where that cannot be known (the whole object is one encrypted value). `missing` makes the
    finding for what is not there: a file may be checked before its secrets are set.
    """
    findings = []
    for key, path in sorted(required_secrets(settings).items()):
        command = f"pulumi config set --secret llmserve:{key}"
        if key == TENANT_KEYS:
            command = f"pulumi config set --secret --path 'llmserve:{key}.<tenant>'"
        if key not in states:
            findings.append(missing(f"llmserve:{key}", f"is missing, and {path} needs it", command))
        elif states[key] == "clear":
            findings.append(error(f"llmserve:{key}", "is given in clear", f"{command}, and change the value"))
    if key_holders is not None and TENANT_KEYS in states:
        findings += [
            missing(
                f"llmserve:{TENANT_KEYS}.{tenant}",
                f"is missing, and tenants.{tenant} needs a key",
                f"pulumi config set --secret --path 'llmserve:{TENANT_KEYS}.{tenant}'",
            )
            for tenant in settings.tenants
            if tenant not in key_holders
        ]
    return findings


def check_tenant_keys(tenants: Iterable[str], keys: Mapping[str, str]) -> list[Finding]:
    """Find keys that two tenants share, and tenants whose key is blank; no finding holds a key.

    `keys` maps tenant name -> key in clear, or several with blanks between; those of others are passed over.
    """
    findings: list[Finding] = []
    holders: dict[str, str] = {}
    for tenant in tenants:
        path, own = f"{_TENANT_KEYS_PATH}.{tenant}", dict.fromkeys(str(keys.get(tenant, "")).split())
        if tenant in keys and not own:
            findings.append(error(path, "has no key in it", "give it one: llmserve keys new"))
        others = dict.fromkeys(holders[key] for key in own if key in holders)
        findings += [
            error(path, f"has a key of {_TENANT_KEYS_PATH}.{other} too", "give each tenant its own")
            for other in others
        ]
        holders |= {key: tenant for key in own if key not in holders}
    return findings
