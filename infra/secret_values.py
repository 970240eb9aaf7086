"""The values of secrets: of the stack's configuration, or of AWS Secrets Manager."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi_aws import secretsmanager

from infra.secret_keys import TENANT_KEYS, secret_keys
from infra.stackfile.stack import StackSettings


@dataclass(frozen=True, kw_only=True)
class SecretValues:
    """Every secret of a stack, none of them in clear."""

    single: Mapping[str, pulumi.Output[str]]
    """Value by config key."""
    tenant_keys: pulumi.Output[dict[str, str]]
    """Key by tenant."""


def managed_secrets(settings: StackSettings, provider: aws.Provider) -> SecretValues:
    """Read every secret the stack needs from Secrets Manager; `tenant_keys` is there a JSON object.

    One that is missing fails the preview, by its name. The values reach the state encrypted, as those of the
    stack file do.
    """
    keys = secret_keys(settings)
    values = {key: _read(f"{settings.secrets.prefix}{key}", provider) for key in keys}
    tenants = values.pop(TENANT_KEYS, None)
    none: pulumi.Output[dict[str, str]] = pulumi.Output.secret({})
    return SecretValues(single=values, tenant_keys=none if tenants is None else tenants.apply(json.loads))


def _read(name: str, provider: aws.Provider) -> pulumi.Output[str]:
    found = secretsmanager.get_secret_version_output(
        secret_id=name, opts=pulumi.InvokeOptions(provider=provider)
    )
    return pulumi.Output.secret(found.secret_string)
