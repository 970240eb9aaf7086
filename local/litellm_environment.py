"""LiteLLM's own Python environment."""

from rich.console import Console

from local import python_environment
from local.layout import Layout


def install(layout: Layout, console: Console) -> None:
    """Have LiteLLM in `.local/litellm`; the resolver finds no answer for what it asks of certifi.

    Raises LocalError with pip's own words if it fails.
    """
    requirements = layout.root / "requirements" / "litellm.txt"
    python_environment.install("LiteLLM", layout.litellm, requirements, console)
