"""The values of secrets where they lie in AWS Secrets Manager, or their names there."""

import json
from dataclasses import replace

import pulumi
from pulumi_aws import secretsmanager
from pulumi_aws.provider import Provider as AwsProvider

from components.external_secrets import RemoteValue
from infra.secret_keys import TENANT_KEYS, secret_keys
from infra.settings import Stack


def with_managed_secrets(stack: Stack, provider: AwsProvider) -> Stack:
    """The stack with every secret it needs, read from Secrets Manager; `tenant_keys` is there a JSON object.

    One that is missing fails the preview, by its name. The values reach the state encrypted, as those of the
    stack file do.
    """
    prefix = stack.settings.secrets.prefix
    values = {key: _read(f"{prefix}{key}", provider) for key in secret_keys(stack.settings)}
    tenants = values.pop(TENANT_KEYS, None)
    keys = stack.tenant_keys if tenants is None else tenants.apply(json.loads)
    return replace(stack, secrets=values, tenant_keys=keys)


def with_external_secrets(stack: Stack) -> Stack:
    """The stack with the names of its secrets instead of values, which the operator reads in the cluster."""
    prefix = stack.settings.secrets.prefix
    names = {key: RemoteValue(name=f"{prefix}{key}") for key in secret_keys(stack.settings)}
    tenants = names.pop(TENANT_KEYS, None)
    return replace(stack, secrets=names, tenant_keys=tenants or stack.tenant_keys)


def _read(name: str, provider: AwsProvider) -> pulumi.Output[str]:
    found = secretsmanager.get_secret_version_output(
        secret_id=name, opts=pulumi.InvokeOptions(provider=provider)
    )
    return pulumi.Output.secret(found.secret_string)
