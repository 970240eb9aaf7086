"""A gateway with every kind of backend, and strategies for any valid one."""

from collections.abc import Sequence
from typing import Any, get_args

from hypothesis import strategies as st

from components.gateway.model import (
    Backend,
    ContentFilter,
    GatewayModel,
    GatewaySpec,
    IngressSpec,
    Redis,
    Route,
    Tenant,
)
from components.spec import EngineName, Resources, ScalingMetric, ScalingRule, ScalingSpec

REDIS = Redis(host="redis.example", port=6380, tls=True)
DIGEST = "0123456789abcdef" * 4
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def backend(name: str, kind: Any = "vllm", weight: int = 100, **fields: Any) -> Backend:
    address = None if kind in ("openai", "anthropic") else f"http://{name}"
    return Backend(
        **{"id": name, "kind": kind, "base_url": address, "model": "served", "weight": weight, **fields}
    )


def tenant(name: str, **fields: Any) -> Tenant:
    defaults = {
        "requests_per_minute": 60,
        "tokens_per_minute": None,
        "parallel_requests": None,
        "models": ("chat",),
        "priority": "normal",
    }
    return Tenant(**{"name": name, **defaults, **fields})


CHAT = Route(
    name="chat",
    backends=(backend("chat-v1", weight=90), backend("chat-v2", weight=10)),
    standby=(backend("chat-v3", "sglang", 0),),
    fallbacks=("summary", "openai"),
    context_fallback="openai",
)
SUMMARY = Route(name="summary", backends=(backend("summary-tgi", "tgi", max_model_len=4096),))
SMALL = Route(
    name="small",
    backends=(backend("small-ollama", "ollama", model="qwen3:4b", max_model_len=8192),),
    context_fallback="openai",
)
OPENAI = Route(
    name="openai",
    backends=(
        backend(
            "openai-openai", "openai", model="gpt-4o-mini", api_key_env="OPENAI_API_KEY", max_model_len=128000
        ),
    ),
)
CLAUDE = Route(
    name="claude",
    backends=(
        backend("claude-anthropic", "anthropic", model="claude-sonnet-4-5", api_key_env="ANTHROPIC_API_KEY"),
    ),
)


def model(**fields: Any) -> GatewayModel:
    defaults = {
        "routes": (CHAT, SUMMARY, SMALL, OPENAI, CLAUDE),
        "tenants": (tenant("search", models=("chat", "small")), tenant("batch", models=("summary",))),
        "request_timeout_seconds": 60,
        "first_token_timeout_seconds": 10,
        "longest_stream_seconds": 300,
        "retries": 1,
        "cooldown_seconds": 10,
        "redis": REDIS,
        "content_filter": None,
    }
    return GatewayModel(**{**defaults, **fields})


def scaling(least: int = 2, most: int = 4) -> ScalingSpec:
    return ScalingSpec(
        via="hpa",
        min=least,
        max=most,
        metrics=(ScalingMetric(kind="cpu_percent", name="cpu", target=60),),
        up=ScalingRule(stabilization_seconds=0, pods=2, period_seconds=60),
        down=ScalingRule(stabilization_seconds=300, pods=1, period_seconds=120),
    )


def spec(**fields: Any) -> GatewaySpec:
    defaults = {
        "name": "gateway",
        "namespace": "llmserve",
        "image": f"example/litellm@sha256:{DIGEST}",
        "model": model(),
        "pool": None,
        "resources": Resources(cpu_millicores=1000, memory_mib=1024, memory_limit_mib=1024),
        "scaling": scaling(),
        "service_port": 80,
        "prestop_seconds": 20,
        "margin_seconds": 20,
        "cors_origins": (),
        "monitoring_namespace": "monitoring",
    }
    return GatewaySpec(**{**defaults, **fields})


def ingress_spec(**fields: Any) -> IngressSpec:
    defaults = {
        "class_name": "alb",
        "hostname": "llm.example.com",
        "certificate_arn": "arn:aws:acm:us-west-2:111122223333:certificate/example",
        "tls_secret": None,
        "internal": True,
        "idle_timeout_seconds": 300,
        "deregistration_seconds": 300,
        "paths": ("/v1/chat/completions", "/v1/models"),
    }
    return IngressSpec(**{**defaults, **fields})


@st.composite
def models(draw: st.DrawFn) -> GatewayModel:
    """Any valid model: routes with weighted versions, standby ones, providers, fallbacks, tenants."""
    names = draw(
        st.lists(
            st.sampled_from(["chat", "code", "small", "vision", "draft"]), min_size=1, max_size=4, unique=True
        )
    )
    routes = tuple(_route(draw, name, names) for name in names)
    some = st.none() | st.integers(1, 10_000)
    tenants = tuple(
        tenant(
            f"tenant-{number}",
            requests_per_minute=draw(some),
            tokens_per_minute=draw(some),
            parallel_requests=draw(some),
            models=tuple(draw(st.lists(st.sampled_from(names), min_size=1, unique=True))),
            priority=draw(st.sampled_from(["high", "normal", "low"])),
        )
        for number in range(draw(st.integers(1, 4)))
    )
    return model(
        routes=routes,
        tenants=tenants,
        longest_stream_seconds=draw(st.integers(1, 3600)),
        request_timeout_seconds=draw(st.integers(1, 600)),
        retries=draw(st.integers(0, 5)),
        redis=draw(st.sampled_from([None, REDIS])),
        content_filter=draw(
            st.sampled_from(
                [None, ContentFilter(blocked_words=("secret",), blocked_patterns=("us_ssn", "phone"))]
            )
        ),
    )


def _route(draw: st.DrawFn, name: str, names: Sequence[str]) -> Route:
    others = [other for other in names if other != name]
    fallbacks = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    capacity = draw(st.none() | st.integers(1, 5000))
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(1, 99), max_size=3, unique=True)))
        weights = [high - low for low, high in zip([0, *cuts], [*cuts, 100], strict=True)]
        length = draw(st.none() | st.integers(512, 131_072))
        versions = [
            backend(f"{name}-v{i}", draw(st.sampled_from(ENGINES)), weight, max_model_len=length)
            for i, weight in enumerate(weights)
        ]
        standby = tuple(backend(f"{name}-s{i}", "vllm", 0) for i in range(draw(st.integers(0, 2))))
    else:
        kind = draw(st.sampled_from(["openai", "anthropic"]))
        versions, standby = [backend(f"{name}-{kind}", kind, api_key_env="PROVIDER_KEY")], ()
    return Route(
        name=name,
        backends=tuple(versions),
        standby=standby,
        fallbacks=tuple(fallbacks),
        context_fallback=draw(st.sampled_from([None, *others])),
        capacity_requests_per_minute=capacity,
    )
