"""Rules about the gateway: tenants, addresses, providers, filters; LiteLLM takes much in silence. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from components.gateway.findings import gateway_findings
from components.images import image_findings
from components.ingress_manifests import ingress_findings
from infra.declared import Declared
from infra.presets import number
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stackfile.gateway import GatewaySettings, IngressSettings
from infra.stackfile.models import ExternalModelSettings, ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.finding import Finding, error, nearest, warning

_LABEL = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_ANY_ORIGIN = "*"


def check_gateway(settings: StackSettings, declared: Declared) -> Iterator[Finding]:
    """Findings about tenants, the gateway, and the providers and fallbacks it asks."""
    yield from _tenants(settings, declared)
    yield from _providers(settings)
    yield from _repeated_fallbacks(settings)
    yield from _context_circle(settings)
    yield from _gateway(settings, declared)


def _tenants(settings: StackSettings, declared: Declared) -> Iterator[Finding]:
    if not settings.tenants:
        yield warning("tenants", "is empty", "without tenants only the master key can call")
    for name, tenant in settings.tenants.items():
        path = f"tenants.{name}"
        if not tenant.models:
            yield error(f"{path}.models", "is empty", nearest("", declared.models))
        for model in tenant.models:
            if model not in declared.models:
                yield error(f"{path}.models", f"{model!r} is not a model", nearest(model, declared.models))
        yield from _repeated(f"{path}.models", tenant.models)
        requests = number(settings, "tenant", tenant, "requests_per_minute")
        if tenant.tokens_per_minute is not None and tenant.tokens_per_minute < requests:
            yield error(
                f"{path}.tokens_per_minute",
                f"is {tenant.tokens_per_minute}, less than one for each of requests_per_minute {requests}",
                "raise it, or lower requests_per_minute",
            )


def _providers(settings: StackSettings) -> Iterator[Finding]:
    for name, model in settings.models.items():
        if not isinstance(model, ExternalModelSettings):
            continue
        path = f"models.{name}"
        if not model.model.strip():
            yield error(f"{path}.model", "is empty", "name the provider's model, as in gpt-4o-mini")
        yield from _key_name(f"{path}.api_key", model.api_key)
        yield from _address(f"{path}.base_url", model.base_url)
        if model.daily_budget_usd is not None and model.base_url is not None and model.price is None:
            yield warning(
                f"{path}.daily_budget_usd",
                f"counts nothing unless LiteLLM knows a price of {model.model!r}, and base_url is not the "
                "provider's own",
                "say the price, as in {input_usd: 0.15, output_usd: 0.6}",
            )


def _key_name(path: str, name: str) -> Iterator[Finding]:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        yield error(
            path,
            "is not the name of a config key",
            "name the secret config key that holds the key, as in openai_api_key",
        )


def _address(path: str, url: str | None) -> Iterator[Finding]:
    if url is not None and not _is_address(url):
        yield error(path, f"{url!r} is no address", "write it as in https://api.example.com")


def _read_texts(gateway: GatewaySettings) -> Iterator[Finding]:
    """Who reads prompts and answers: filter, moderation service, log."""
    for field in ("blocked_words", "blocked_patterns") if gateway.content_filter else ():
        listed = getattr(gateway.content_filter, field)
        yield from _repeated(f"gateway.content_filter.{field}", listed)
        if any(not entry.strip() for entry in listed):
            yield error(
                f"gateway.content_filter.{field}", "has an empty entry", "remove it: it would block all"
            )
    if moderation := gateway.moderation:
        yield from _key_name("gateway.moderation.api_key", moderation.api_key)
        yield from _address("gateway.moderation.base_url", moderation.base_url)
        yield from _repeated("gateway.moderation.reads", moderation.reads)
        if not moderation.reads:
            yield error("gateway.moderation.reads", "is empty", "name prompts, answers or both")
    if gateway.log.prompts and not gateway.log.requests:
        yield error("gateway.log.prompts", "has no effect without log.requests", "switch requests on")


def _repeated_fallbacks(settings: StackSettings) -> Iterator[Finding]:
    for name, model in settings.models.items():
        if isinstance(model, ServedModelSettings):
            yield from _repeated(f"models.{name}.fallbacks", model.fallbacks)


def _context_circle(settings: StackSettings) -> Iterator[Finding]:
    """Context lengths rule circles out where they are known; this is for the rest."""
    targets = {
        name: model.context_fallback
        for name, model in settings.models.items()
        if isinstance(model, ServedModelSettings) and model.context_fallback not in (None, name)
    }
    for first in sorted(targets):
        trail: list[str] = [first]
        current = targets.get(first)
        while current is not None and current not in trail:
            trail.append(current)
            current = targets.get(current)
        if current == first == min(trail):
            yield error(
                f"models.{first}.context_fallback",
                f"goes in a circle: {' -> '.join([*trail, first])}",
                "break it at one place",
            )


def _gateway(settings: StackSettings, declared: Declared) -> Iterator[Finding]:
    gateway = settings.gateway
    if gateway.replicas.min > gateway.replicas.max:
        bounds = f"is {gateway.replicas.min}, more than max {gateway.replicas.max}"
        yield error("gateway.replicas.min", bounds, "lower min or raise max")
    if gateway.pool is not None and gateway.pool not in declared.pools:
        yield error("gateway.pool", f"{gateway.pool!r} is not a pool", nearest(gateway.pool, declared.pools))
    host = gateway.redis.host if gateway.redis else None
    if host is not None and not (_HOST.fullmatch(host) or _is_ip(host)):
        yield error(
            "gateway.redis.host",
            f"{host!r} is no host name",
            "give the name alone; port and tls are settings of their own",
        )
    yield from _repeated("gateway.cors_origins", gateway.cors_origins)
    for origin in gateway.cors_origins:
        if origin != _ANY_ORIGIN and not (_is_address(origin) and urlsplit(origin).path == ""):
            yield error(
                "gateway.cors_origins",
                f"{origin!r} is no origin of a browser",
                "write scheme, host and port alone, as in https://app.example.com",
            )
    yield from _read_texts(gateway)
    yield from image_findings(gateway.image, "gateway.image")
    yield from gateway_findings(gateway_spec(settings))
    if gateway.ingress:
        yield from _ingress(gateway.ingress)
    outside = ingress_spec(settings)
    if outside:
        yield from ingress_findings(outside)


def _ingress(ingress: IngressSettings) -> Iterator[Finding]:
    path = "gateway.ingress"
    if not _HOST.fullmatch(ingress.hostname.removeprefix("*.")):
        yield error(
            f"{path}.hostname",
            f"{ingress.hostname!r} is no host name",
            "give the name alone, as in llm.example.com",
        )
    if ingress.class_name == "alb" and not ingress.certificate_arn:
        yield error(f"{path}.certificate_arn", "is missing, and an ALB serves HTTPS only", "add the ACM ARN")
    if ingress.class_name != "alb" and not ingress.tls_secret:
        yield error(f"{path}.tls_secret", "is missing, and the API is served over TLS only", "add its name")


def _repeated(path: str, names: Sequence[str]) -> Iterator[Finding]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield error(path, f"names {', '.join(map(repr, twice))} more than once", "name each once")


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    """Whether it is http or https, with a host, and without user, query or fragment."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - raises for one that is no number
    except ValueError:
        return False
    plain = not (url.query or url.fragment or url.username)
    return url.scheme in ("http", "https") and plain and bool(_HOST.fullmatch(url.hostname or ""))
