"""The Python environment of vLLM's router."""

from rich.console import Console

from local import python_environment
from local.layout import Layout


def install(layout: Layout, console: Console) -> None:
    """Have the router in `.local/router`. Raises LocalError with pip's own words if it fails."""
    requirements = layout.root / "requirements" / "router.txt"
    python_environment.install("vLLM's router", layout.router, requirements, console)
