"""From the stack file to the gateway's specs. Pure."""

from components import naming, redis_manifests
from components.engines import adapter
from components.gateway.gw_auth import CLIENT_PATHS
from components.gateway.litellm import MASTER_KEY_ENV, REDIS_PASSWORD_ENV
from components.gateway.model import (
    Backend,
    Budget,
    ContentFilter,
    GatewayModel,
    GatewaySpec,
    IngressSpec,
    Moderation,
    Redis,
    RequestLog,
    Route,
    Tenant,
    TokenPrice,
)
from components.gateway.timeouts import deregistration_seconds, idle_timeout_seconds
from components.serving.router_pod import router_name
from components.spec import Resources, ScalingMetric, ScalingRule, ScalingSpec
from infra.presets import number, presets
from infra.resolve import GATEWAY_NAME, engine_spec, traffic
from infra.resolve_router import router_spec
from infra.secret_keys import MASTER_KEY, provider_keys
from infra.stackfile.gateway import ModerationSettings, RedisSettings
from infra.stackfile.models import ExternalModelSettings, PriceSettings, ServedModelSettings
from infra.stackfile.stack import StackSettings


def gateway_spec(settings: StackSettings) -> GatewaySpec:
    """Return the gateway: its routing model and how it runs."""
    gateway = settings.gateway
    numbers = presets()["gateway"]
    memory = round(gateway.memory_gib * 1024)
    return GatewaySpec(
        name=GATEWAY_NAME,
        namespace=settings.namespace,
        image=gateway.image or numbers["image"],
        model=gateway_model(settings),
        pool=gateway.pool,
        resources=Resources(
            cpu_millicores=round(gateway.cpu * 1000), memory_mib=memory, memory_limit_mib=memory
        ),
        scaling=ScalingSpec(
            via="hpa",
            min=gateway.replicas.min,
            max=gateway.replicas.max,
            metrics=(ScalingMetric(kind="cpu_percent", name="cpu", target=numbers["cpu_percent"]),),
            up=ScalingRule(**numbers["up"]),
            down=ScalingRule(**numbers["down"]),
        ),
        service_port=gateway.service_port,
        prestop_seconds=number(settings, "gateway", gateway, "prestop_seconds"),
        margin_seconds=presets()[settings.preset]["gateway"]["margin_seconds"],
        cors_origins=gateway.cors_origins,
        monitoring_namespace=settings.observability.monitoring_namespace,
    )


def gateway_model(settings: StackSettings) -> GatewayModel:
    """Return what the gateway routes, gateway-neutral.

    Names of models that do not exist are left out: infra.checks tells them, and goes on with the rest.
    """
    gateway = settings.gateway
    content_filter = gateway.content_filter
    return GatewayModel(
        routes=tuple(_route(settings, name, model) for name, model in settings.models.items()),
        tenants=tuple(
            Tenant(
                name=name,
                requests_per_minute=number(settings, "tenant", tenant, "requests_per_minute"),
                tokens_per_minute=tenant.tokens_per_minute,
                parallel_requests=tenant.parallel_requests,
                models=tuple(name for name in tenant.models if name in settings.models),
                priority=tenant.priority,
                budget=Budget(usd=tenant.budget.usd, days=tenant.budget.days) if tenant.budget else None,
            )
            for name, tenant in settings.tenants.items()
        ),
        request_timeout_seconds=number(settings, "gateway", gateway, "request_timeout_seconds"),
        first_token_timeout_seconds=number(settings, "gateway", gateway, "first_token_timeout_seconds"),
        longest_stream_seconds=number(settings, "gateway", gateway, "longest_stream_seconds"),
        retries=number(settings, "gateway", gateway, "retries"),
        cooldown_seconds=number(settings, "gateway", gateway, "cooldown_seconds"),
        redis=_redis(gateway.redis),
        content_filter=ContentFilter(
            blocked_words=content_filter.blocked_words,
            blocked_patterns=content_filter.blocked_patterns,
            answers=content_filter.answers,
        )
        if content_filter
        else None,
        moderation=_moderation(gateway.moderation),
        log=RequestLog(requests=gateway.log.requests, prompts=gateway.log.prompts),
    )


def _moderation(moderation: ModerationSettings | None) -> Moderation | None:
    if moderation is None:
        return None
    return Moderation(
        base_url=moderation.base_url,
        model=moderation.model,
        api_key_env=provider_key_env(moderation.api_key),
        prompts="prompts" in moderation.reads,
        answers="answers" in moderation.reads,
        seconds=moderation.timeout_seconds,
    )


def _price(price: PriceSettings | None) -> TokenPrice | None:
    return TokenPrice(input_usd=price.input_usd, output_usd=price.output_usd) if price else None


def _redis(redis: RedisSettings | None) -> Redis | None:
    if redis is None:
        return None
    if redis.host is None:
        return Redis(host=redis_manifests.NAME, port=redis_manifests.PORT, tls=False, in_cluster=True)
    return Redis(host=redis.host, port=redis.port, tls=redis.tls)


def ingress_spec(settings: StackSettings) -> IngressSpec | None:
    """Return the way in from outside; None = inside the cluster only."""
    ingress = settings.gateway.ingress
    if ingress is None:
        return None
    longest = number(settings, "gateway", settings.gateway, "longest_stream_seconds")
    return IngressSpec(
        class_name=ingress.class_name,
        hostname=ingress.hostname,
        certificate_arn=ingress.certificate_arn,
        tls_secret=ingress.tls_secret,
        internal=ingress.internal,
        idle_timeout_seconds=idle_timeout_seconds(longest),
        deregistration_seconds=deregistration_seconds(longest),
        paths=CLIENT_PATHS,
    )


def gateway_environment(settings: StackSettings) -> dict[str, str]:
    """Secret config keys the gateway's pods need, by environment variable."""
    redis = settings.gateway.redis
    return {
        MASTER_KEY_ENV: MASTER_KEY,
        **({REDIS_PASSWORD_ENV: redis.password} if redis and redis.password else {}),
        **{provider_key_env(key): key for key in provider_keys(settings)},
    }


def provider_key_env(config_key: str) -> str:
    """Environment variable of the gateway that holds the provider key of this config key."""
    return config_key.upper()


def _route(settings: StackSettings, name: str, model: ServedModelSettings | ExternalModelSettings) -> Route:
    if isinstance(model, ExternalModelSettings):
        return Route(name=name, backends=(_external(name, model),))
    weights = traffic(model)
    backends = [
        _served(settings, name, version, model, weights.get(version, 0)) for version in model.versions
    ]
    return Route(
        name=name,
        backends=tuple(backend for backend in backends if backend.weight),
        standby=tuple(backend for backend in backends if not backend.weight),
        fallbacks=tuple(name for name in model.fallbacks if name in settings.models),
        context_fallback=model.context_fallback if model.context_fallback in settings.models else None,
        capacity_requests_per_minute=model.capacity_requests_per_minute,
        sticky=model.sticky,
    )


def _external(name: str, model: ExternalModelSettings) -> Backend:
    return Backend(
        id=f"{name}-{model.provider}",
        kind=model.provider,
        base_url=model.base_url,
        model=model.model,
        weight=100,
        api_key_env=provider_key_env(model.api_key),
        daily_budget_usd=model.daily_budget_usd,
        max_model_len=model.max_model_len,
        price=_price(model.price),
    )


def _served(
    settings: StackSettings, name: str, version: str, model: ServedModelSettings, weight: int
) -> Backend:
    workload = naming.version_name(name, version)
    engine = engine_spec(settings, name, model.versions[version])
    routed = router_spec(settings, model, model.versions[version]) is not None
    return Backend(
        id=workload,
        kind=engine.engine,
        base_url=f"http://{router_name(workload) if routed else workload}",
        model=adapter(engine.engine).api_model(engine),
        weight=weight,
        max_model_len=engine.max_model_len,
        price=_price(model.price),
    )
