"""The names a raw stack file declares, well formed or not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Declared:
    """Names the raw file declares, well formed or not."""

    cluster_kind: str
    pools: frozenset[str]
    models: frozenset[str]
    versions: Mapping[str, frozenset[str]]
    """Versions by model."""
    traffic: Mapping[str, frozenset[str]]
    """Versions that are given traffic, by model."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Declared":
        """Collect the names of a raw `llmserve:settings`."""
        models = _mapping(raw.get("models"))
        return cls(
            cluster_kind=str(_mapping(raw.get("cluster")).get("kind", "existing")),
            pools=frozenset(_mapping(raw.get("pools"))),
            models=frozenset(models),
            versions={name: _names(model, "versions") for name, model in models.items()},
            traffic={name: _names(model, "traffic") for name, model in models.items()},
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(model: Any, key: str) -> frozenset[str]:
    return frozenset(_mapping(_mapping(model).get(key)))
