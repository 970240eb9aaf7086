"""Secrets whose values External Secrets Operator fetches from AWS Secrets Manager, inside the cluster. Pure.

The program then names the values and never has them: neither does its state.
"""

from dataclasses import dataclass
from typing import Any

from components import naming
from components.spec import Manifest

API = "external-secrets.io/v1"
"""Served and stored by the chart of components/platform/charts.yaml (config/crds/bases of tag v1.3.2)."""
STORE = "aws-secrets-manager"
REFRESH = "1h0m0s"
"""How often values are read again; the operator's own default."""
PLAIN = "{{ $value }}"


@dataclass(frozen=True, kw_only=True)
class RemoteValue:
    """A value that lies in AWS Secrets Manager."""

    name: str
    """What Secrets Manager calls it."""
    template: str = PLAIN
    """What the cluster's Secret gets: a Go template with sprig's functions; `$value` is the value."""


def secret_store(namespace: str, region: Any) -> Manifest:
    """Where ExternalSecrets of a namespace look. Without credentials: the operator's pods have a role."""
    return {
        "apiVersion": API,
        "kind": "SecretStore",
        "metadata": {"name": STORE, "namespace": namespace, "labels": naming.labels("secrets", STORE)},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": region}}},
    }


def is_remote(manifest: Manifest) -> bool:
    """Whether it is a Secret with values from elsewhere."""
    values = manifest.get("stringData", {}).values() if manifest["kind"] == "Secret" else ()
    return any(isinstance(value, RemoteValue) for value in values)


def external_secret(secret: Manifest) -> Manifest:
    """The ExternalSecret that makes this Secret, under the same name, with the same keys and labels.

    Values that are no RemoteValue are copied as they are, and end up in clear in the ExternalSecret.
    """
    data, wanted = {}, []
    for number, (key, value) in enumerate(secret["stringData"].items()):
        if isinstance(value, RemoteValue):
            variable = f"value{number}"
            data[key] = f"{{{{- $value := .{variable} -}}}}{value.template}"
            wanted.append({"secretKey": variable, "remoteRef": {"key": value.name}})
        else:
            data[key] = value
    labels = {"labels": secret["metadata"]["labels"]} if "labels" in secret["metadata"] else {}
    template = {"engineVersion": "v2", "type": secret["type"], "metadata": labels, "data": data}
    return {
        "apiVersion": API,
        "kind": "ExternalSecret",
        "metadata": secret["metadata"],
        "spec": {
            "refreshInterval": REFRESH,
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "target": {"creationPolicy": "Owner", "deletionPolicy": "Retain", "template": template},
            "data": wanted,
        },
    }
