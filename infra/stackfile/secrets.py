"""Where the values of secrets come from."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import Settings


class SecretsSettings(Settings):
    """Where the values of secrets come from; their names are the same everywhere."""

    source: Literal["config", "secrets-manager", "external-secrets"] = "config"
    """config: encrypted in the stack file. secrets-manager: in AWS, read at every preview and up (eks).
    external-secrets: there too, read by External Secrets Operator in the cluster alone (eks)."""
    prefix: Annotated[str, Field(pattern=r"^[\w/+=.@-]{1,200}$")] = "llmserve/"
    """Start of the names in Secrets Manager, as in llmserve/prod/; the config key follows."""

    @property
    def in_cluster(self) -> bool:
        """Whether the values never reach the program."""
        return self.source == "external-secrets"
