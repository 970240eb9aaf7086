"""LiteLLM callback: a tenant always gets one version of a sticky model. Runs without this repository."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import Any

WEIGHT = "sticky_weight"
"""Field of a deployment's `model_info`: its share. Deployments without it are left to LiteLLM."""


def chosen(
    holder: str | None, deployments: Sequence[Mapping[str, Any]], excluded: Collection[str]
) -> list[Mapping[str, Any]]:
    """Return the one deployment of this tenant among those that are healthy and were not tried yet.

    Weighted rendezvous hashing: each deployment draws a number from tenant and id, and the highest wins.
    Shares of tenants are the weights, and a change of weights moves no more of them than it must. Without a
    tenant, or where no deployment is sticky, all are returned.
    """
    sticky = [each for each in deployments if each["model_info"].get(WEIGHT)]
    if not holder or not sticky:
        return list(deployments)
    left = [each for each in sticky if each["model_info"]["id"] not in excluded]
    return [max(left or sticky, key=lambda each: _draw(holder, each["model_info"]))]


def _draw(holder: str, info: Mapping[str, Any]) -> float:
    digest = hashlib.sha256(f"{holder} {info['id']}".encode()).digest()
    evenly = (int.from_bytes(digest[:8], "big") + 0.5) / 2**64
    return float(-info[WEIGHT] / math.log(evenly))


def holder_of(request: Mapping[str, Any]) -> str | None:
    """The tenant as `gw_auth` has named it, whichever of its keys was used; None if nobody was authorised."""
    for place in ("metadata", "litellm_metadata"):
        if found := (request.get(place) or {}).get("user_api_key_alias"):
            return str(found)
    return None


def __getattr__(name: str) -> Any:
    """Make `sticky`, which LiteLLM asks for by its name: its base class is LiteLLM's."""
    if name != "sticky":
        raise AttributeError(name)
    base: Any = import_module("litellm.integrations.custom_logger").CustomLogger

    class Sticky(base):  # type: ignore[misc]
        async def async_filter_deployments(
            self,
            model: str,
            healthy_deployments: list[Any],
            messages: Any,
            request_kwargs: dict[str, Any] | None = None,
            parent_otel_span: Any = None,
        ) -> list[Any]:
            del model, messages, parent_otel_span
            request = request_kwargs or {}
            excluded = request.get("_excluded_deployment_ids") or ()
            return chosen(holder_of(request), healthy_deployments, excluded)

    return Sticky()
