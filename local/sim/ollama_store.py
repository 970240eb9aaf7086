"""Where pulled models are noted: the folders real Ollama uses, with a manifest that says it is simulated."""

from collections.abc import Mapping
from pathlib import Path

from local.errors import LocalError

REGISTRY = "registry.ollama.ai"  # a folder's name; nothing is asked of it
NOTE = '{"simulated": true}\n'


def folder(env: Mapping[str, str]) -> Path:
    """OLLAMA_MODELS, else .ollama/models in HOME."""
    return Path(env.get("OLLAMA_MODELS") or Path(env.get("HOME", "."), ".ollama", "models"))


def full_name(name: str) -> str:
    """The name with its tag, `latest` if none is given."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def path_of(root: Path, name: str) -> Path:
    """The manifest of a model. Raises LocalError for a name that is none."""
    base, _, tag = full_name(name).rpartition(":")
    parts = base.split("/")
    if not all(parts) or not tag or len(parts) > 3 or any(part.startswith(".") for part in (*parts, tag)):
        raise LocalError("invalid model name")
    return Path(root, "manifests", *(REGISTRY, "library", "")[: 3 - len(parts)], *parts, tag)


def add(root: Path, name: str) -> None:
    """Note a pulled model."""
    path = path_of(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTE, encoding="utf-8")


def names(root: Path) -> list[str]:
    """All pulled models, with tag, as Ollama shows them."""
    found = []
    for path in sorted(Path(root, "manifests").glob("*/*/*/*")):
        host, owner, base, tag = path.parts[-4:]
        long = base if (host, owner) == (REGISTRY, "library") else f"{owner}/{base}"
        found.append(f"{long}:{tag}" if host == REGISTRY else f"{host}/{long}:{tag}")
    return found
