"""Rules that belong to the gateway: what LiteLLM would accept and then not do."""

from collections.abc import Iterator

from components.gateway.keys import allowed_routes, reachable_routes
from components.gateway.model import GatewayModel, GatewaySpec, uses_priorities
from planner.finding import Finding, error, warning


def gateway_findings(spec: GatewaySpec, path_prefix: str = "") -> list[Finding]:
    """Return all findings about the gateway, paths as in the stack file behind `path_prefix`."""
    rules = (_identities, _redis, _budgets, _priorities, _sticky, _times)
    found = [finding for rule in rules for finding in rule(spec)]
    return [finding.model_copy(update={"path": path_prefix + finding.path}) for finding in found]


def _identities(spec: GatewaySpec) -> Iterator[Finding]:
    """A backend's id is a name clients may ask for, so nothing else may have it."""
    owners = {route.name: route.name for route in spec.model.routes}
    for route in spec.model.routes:
        for backend in (*route.backends, *route.standby):
            if backend.id in owners:
                yield error(
                    f"models.{route.name}",
                    f"its backend {backend.id} has a name that model {owners[backend.id]} already uses",
                    "rename one of them",
                )
            owners[backend.id] = route.name


def _redis(spec: GatewaySpec) -> Iterator[Finding]:
    if spec.model.redis is not None:
        return
    for route in spec.model.routes:
        if any(backend.daily_budget_usd is not None for backend in route.backends):
            yield error(
                f"models.{route.name}.daily_budget_usd",
                "without gateway.redis each gateway replica spends it alone, and again after each restart",
                "add gateway.redis, or take the budget out",
            )
    limited = [
        tenant.name
        for tenant in spec.model.tenants
        if (tenant.requests_per_minute, tenant.tokens_per_minute, tenant.parallel_requests) != (None,) * 3
    ]
    if limited and spec.scaling.max > 1:
        yield warning(
            "gateway.redis",
            f"is missing, so that each of up to {spec.scaling.max} replicas counts the limits of "
            f"{', '.join(limited)} alone",
            "add gateway.redis, or accept limits that grow with the replicas",
        )


def _budgets(spec: GatewaySpec) -> Iterator[Finding]:
    """A tenant's budget needs a place where all replicas count, and prices."""
    routes = {route.name: route for route in spec.model.routes}
    for tenant in spec.model.tenants:
        if tenant.budget is None:
            continue
        path = f"tenants.{tenant.name}.budget"
        if spec.model.redis is None:
            yield error(
                path,
                "without gateway.redis nothing keeps the sum over replicas and restarts",
                "add gateway.redis, or take the budget out",
            )
        free = [
            name
            for name in allowed_routes(tenant, spec.model)
            if any(backend.price is None and not backend.api_key_env for backend in routes[name].backends)
        ]
        if free:
            yield warning(
                path,
                f"does not count {', '.join(free)}, which have no price",
                f"say models.{free[0]}.price, as in {{input_usd: 0.1, output_usd: 0.4}}",
            )


def _priorities(spec: GatewaySpec) -> Iterator[Finding]:
    ranked = [tenant for tenant in spec.model.tenants if tenant.priority != "normal"]
    if ranked and not uses_priorities(spec.model):
        for tenant in ranked:
            yield warning(
                f"tenants.{tenant.name}.priority",
                f"{tenant.priority!r} has no effect: no model says how many requests a minute it can take",
                "give a model capacity_requests_per_minute, or leave the priority out",
            )
    elif ranked:
        yield warning(
            f"tenants.{ranked[0].name}.priority",
            "LiteLLM calls priorities a premium feature: without LITELLM_LICENSE they work, and each request "
            "logs an error that says so",
            "have a license, or leave priorities out",
        )


def _sticky(spec: GatewaySpec) -> Iterator[Finding]:
    for route in spec.model.routes:
        if route.sticky and len(route.backends) < 2:
            yield warning(
                f"models.{route.name}.sticky",
                "has no effect: one version has all the traffic",
                "give traffic to two, or leave it out",
            )


def _times(spec: GatewaySpec) -> Iterator[Finding]:
    """Nothing may last longer than the longest stream: drain and load balancer wait no longer than that."""
    model = spec.model
    longest = model.longest_stream_seconds
    for field in ("request_timeout_seconds", "first_token_timeout_seconds"):
        seconds = getattr(model, field)
        if seconds > longest:
            yield error(
                f"gateway.{field}",
                f"is {seconds}, more than longest_stream_seconds {longest}, after which answers are cut",
                f"make it {longest} or less, or longest_stream_seconds {seconds} or more",
            )
    for route, count in tries(model):
        if model.request_timeout_seconds <= longest < (worst := count * model.request_timeout_seconds):
            yield warning(
                f"models.{route}.fallbacks",
                f"if all {count} places it can be answered hang, a request takes {count} x "
                f"{model.request_timeout_seconds} s, and is cut after longest_stream_seconds {longest}",
                f"make request_timeout_seconds {longest // count} or less, longest_stream_seconds {worst} or "
                "more, or the list shorter",
            )


def tries(model: GatewayModel) -> Iterator[tuple[str, int]]:
    """Backends that a request of a length that fits may be tried at, one after the other, by route."""
    routes = {route.name: route.model_copy(update={"context_fallback": None}) for route in model.routes}
    for name in routes:
        yield name, sum(len(routes[reached].backends) for reached in reachable_routes(name, routes))
