"""The keys document: what the gateway knows about tenants' keys, without the keys."""

import hashlib
import json
from collections.abc import Mapping

from components.gateway.model import GatewayModel, Route, Tenant


def reachable_routes(name: str, routes: Mapping[str, Route]) -> tuple[str, ...]:
    """Names of the routes a request to `name` may end up at, itself first, then nearest first.

    Names that are no route are passed over: the stack file's own check tells of them.
    """
    reached: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current in routes and current not in reached:
            reached[current] = None
            route = routes[current]
            waiting += [*route.fallbacks, *([route.context_fallback] if route.context_fallback else [])]
    return tuple(reached)


def allowed_routes(tenant: Tenant, model: GatewayModel) -> tuple[str, ...]:
    """Routes a tenant's key opens: its own and their fallbacks, without which a fallback ends in a 401."""
    routes = {route.name: route for route in model.routes}
    reached = [target for name in tenant.models for target in reachable_routes(name, routes)]
    return tuple(dict.fromkeys([*tenant.models, *reached]))


def keys_document(model: GatewayModel, keys: Mapping[str, str]) -> str:
    """Return the JSON that `gw_auth` reads: SHA-256 hex of a key -> tenant, limits, routes, priority.

    `keys` maps tenant name -> clear key, or several with blanks between that open the same: so a key is
    changed without a moment at which none works. A key should be 32 random characters or more: a hash does
    not hide a guessable one. Raises ValueError for a tenant without a key, and for a key that two tenants
    share.
    """
    holders: dict[str, dict[str, object]] = {}
    for tenant in model.tenants:
        own = dict.fromkeys(keys.get(tenant.name, "").split())
        if not own:
            raise ValueError(f"tenant {tenant.name} has no key")
        holder = _holder(tenant, model)
        for digest in (hashlib.sha256(key.encode()).hexdigest() for key in own):
            if digest in holders:
                raise ValueError(f"tenants {holders[digest]['tenant']} and {tenant.name} have the same key")
            holders[digest] = holder
    return json.dumps(holders, indent=1, sort_keys=True) + "\n"


def keys_template(model: GatewayModel) -> str:
    """The same document, made in the cluster of a JSON object with the keys by tenant (RemoteValue.template).

    The template fails, and no Secret is made, for a tenant without a key and for a key that two share.
    """
    tenants = "".join(
        _TENANT.format(name=tenant.name, holder=_text(tenant, model)) for tenant in model.tenants
    )
    return f"{_START}{tenants}{_END}"


_START = "{{- $keys := fromJson $value -}}{{- $holders := dict -}}"
_TENANT = """
{{{{- $own := regexFindAll "[^ \\t\\r\\n]+" (get $keys "{name}" | default "" | toString) -1 -}}}}
{{{{- if not $own -}}}}{{{{- fail "tenant {name} has no key" -}}}}{{{{- end -}}}}
{{{{- range $own -}}}}
{{{{- $other := get $holders (sha256sum .) -}}}}
{{{{- if and $other (ne (get $other "tenant") "{name}") -}}}}
{{{{- fail (printf "tenants %s and {name} have the same key" (get $other "tenant")) -}}}}
{{{{- end -}}}}
{{{{- $_ := set $holders (sha256sum .) (fromJson `{holder}`) -}}}}
{{{{- end -}}}}"""
_END = "{{- $holders | toJson -}}"


def _text(tenant: Tenant, model: GatewayModel) -> str:
    return json.dumps(_holder(tenant, model), sort_keys=True)


def _holder(tenant: Tenant, model: GatewayModel) -> dict[str, object]:
    return {
        "tenant": tenant.name,
        "requests_per_minute": tenant.requests_per_minute,
        "tokens_per_minute": tenant.tokens_per_minute,
        "parallel_requests": tenant.parallel_requests,
        "models": list(allowed_routes(tenant, model)),
        "priority": tenant.priority,
        "budget": tenant.budget.model_dump() if tenant.budget else None,
    }
