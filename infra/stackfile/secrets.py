"""Where the values of secrets come from."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import Settings


class SecretsSettings(Settings):
    """Where the values of secrets come from; their names are the same everywhere."""

    source: Literal["config", "secrets-manager"] = "config"
    """config: encrypted in the stack file. secrets-manager: in AWS, read at every preview and up (eks)."""
    prefix: Annotated[str, Field(pattern=r"^[\w/+=.@-]{1,200}$")] = "llmserve/"
    """Start of the names in Secrets Manager, as in llmserve/prod/; the config key follows."""
