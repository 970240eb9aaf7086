"""LiteLLM 1.108 from the gateway-neutral model: config.yaml, environment, arguments.

Every key was run against LiteLLM 1.108.5 (docs/gateway.md lists the checks).
"""

from typing import Any
from urllib.parse import urlsplit

from components.gateway import gw_sticky
from components.gateway.litellm_guardrails import guardrails
from components.gateway.model import (
    Backend,
    GatewayModel,
    GatewaySpec,
    Redis,
    Route,
    uses_budgets,
    uses_priorities,
    uses_stickiness,
)
from components.gateway.timeouts import keepalive_seconds

HTTP_PORT = 4000
METRICS_PORT = 9464
CONFIG_FOLDER = "/etc/litellm"
KEYS_FOLDER = "/etc/tenant-keys"
KEYS_FILE = "keys.json"
SCRATCH_FOLDER = "/tmp"  # noqa: S108 - a volume of the pod's own, all that it can write to
METRICS_FOLDER = "/var/lib/gateway-metrics"
MASTER_KEY_ENV = "LITELLM_MASTER_KEY"
REDIS_PASSWORD_ENV = "REDIS_PASSWORD"  # noqa: S105 - the name of a variable

_PROVIDERS = {
    "vllm": "hosted_vllm",
    "sglang": "hosted_vllm",
    "tgi": "openai",
    "tensorrt-llm": "openai",
    "ollama": "openai",
    "openai": "openai",
    "anthropic": "anthropic",
}
_COUNTED_KINDS = frozenset({"ollama", "tgi", "tensorrt-llm"})
"""Engines whose prompts LiteLLM counts before the call: Ollama cuts a long prompt without a word, and
LiteLLM does not know every refusal of the other two. vLLM and SGLang count exactly and refuse in words it
knows."""
_PRIORITY_SHARES = {"high": 6, "normal": 3, "low": 1}
"""What tenants of each priority get of a full route, relative to the priorities in use (our choice)."""
_FAILURES_BEFORE_COOLDOWN = 2
"""Of one kind, per minute. Not 3 overall: LiteLLM takes that, its default, for unset (gateway study §5.4)."""
_MAX_FALLBACK_DEPTH = 3
"""How deep fallbacks of fallbacks go; a route's own list is always tried to its end."""
_UNUSED_METRIC_LABELS = [
    "api_base",
    "hashed_api_key",
    "client_ip",
    "user_agent",
    "user_email",
    "org_id",
    "org_alias",
    "end_user",
    "user",
    "service_tier",
    "team_alias",
]
"""Without these /metrics stays small: one series per tenant (`api_key_alias`) and version (`model_id`)."""


def render(model: GatewayModel) -> dict[str, Any]:
    """Return the content of config.yaml."""
    config: dict[str, Any] = {
        "model_list": [
            *(_traffic_entry(model, route, i) for route in model.routes for i in range(len(route.backends))),
            *(_entry(model, b.id, b, {}) for route in model.routes for b in route.standby),
        ],
        "router_settings": _router_settings(model),
        "litellm_settings": _litellm_settings(model),
        "general_settings": {
            "master_key": f"os.environ/{MASTER_KEY_ENV}",
            "custom_auth": "gw_auth.user_api_key_auth",
            "custom_auth_run_common_checks": True,
        },
    }
    if listed := guardrails(model):
        config["guardrails"] = listed
    return config


def environment(spec: GatewaySpec) -> dict[str, str]:
    """Environment of the gateway, without secrets. LiteLLM takes these from nowhere else."""
    longest = str(spec.model.longest_stream_seconds)
    redis = spec.model.redis if uses_budgets(spec.model) else None
    return {
        **({"TENANT_BUDGETS_REDIS": redis.url} if redis else {}),
        # A kept connection goes on to an engine pod that has left its Service, past its preStop: rolls of
        # engines lost 42 of 166 requests with the default of 15 s, none without (docs/laptop.md).
        "AIOHTTP_KEEPALIVE_TIMEOUT": "0",
        "DISABLE_ADMIN_UI": "True",
        "GRACEFUL_SHUTDOWN_TIMEOUT": longest,  # default 30 s, after which open streams are cut
        "LITELLM_DISABLE_BUG_REPORT_LINK": "True",
        "LITELLM_CORS_ORIGINS": ",".join(spec.cors_origins) or ",",  # empty would mean any origin
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it downloads prices at start
        "LITELLM_LOG": "ERROR",
        "LITELLM_MAX_STREAMING_DURATION_SECONDS": longest,
        "LITELLM_MODE": "PRODUCTION",  # else it reads .env files
        "NO_DOCS": "True",
        "NO_OPENAPI": "True",
        "NO_REDOC": "True",
        "PYTHONPATH": CONFIG_FOLDER,  # gw_auth finds gw_requests beside it
        "PROMETHEUS_MULTIPROC_DIR": METRICS_FOLDER,  # where gw_metrics.py reads them
        "PYTHON_GC_THRESHOLD": "50000,20,50",  # the default stalls streams for 0.4-0.6 s (gateway study §2)
        "TENANT_KEYS_FILE": f"{KEYS_FOLDER}/{KEYS_FILE}",
        "TMPDIR": SCRATCH_FOLDER,
    }


def arguments(spec: GatewaySpec) -> list[str]:
    """Arguments of the gateway program."""
    return [
        "--config",
        f"{CONFIG_FOLDER}/config.yaml",
        "--host",
        "0.0.0.0",  # noqa: S104 - a pod's own network
        "--port",
        str(HTTP_PORT),
        "--keepalive_timeout",
        str(keepalive_seconds(spec.model.longest_stream_seconds)),
    ]


def api_base(backend: Backend) -> str | None:
    """Address LiteLLM calls; None = the provider's own."""
    if backend.base_url is None:
        return None
    base = backend.base_url.rstrip("/")
    return base if backend.kind == "anthropic" or urlsplit(base).path else f"{base}/v1"


def _traffic_entry(model: GatewayModel, route: Route, index: int) -> dict[str, Any]:
    """Entry of a backend that shares its route's requests."""
    backend = route.backends[index]
    share: dict[str, Any] = {"weight": backend.weight}
    if route.capacity_requests_per_minute is not None and uses_priorities(model):
        before = sum(b.weight for b in route.backends[:index])
        # the difference of two roundings, so that the parts add up to the whole
        share["rpm"] = (
            route.capacity_requests_per_minute * (before + backend.weight) // 100
            - route.capacity_requests_per_minute * before // 100
        )
    entry = _entry(model, route.name, backend, share)
    if route.sticky:
        entry["model_info"][gw_sticky.WEIGHT] = backend.weight
    return entry


def _entry(model: GatewayModel, name: str, backend: Backend, share: dict[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {"model": f"{_PROVIDERS[backend.kind]}/{backend.model}"}
    if (base := api_base(backend)) is not None:
        params["api_base"] = base
    params["api_key"] = f"os.environ/{backend.api_key_env}" if backend.api_key_env else "none"
    params |= share
    params["timeout"] = model.request_timeout_seconds
    params["stream_timeout"] = model.first_token_timeout_seconds
    if backend.price is not None:
        params |= {
            "input_cost_per_token": backend.price.input_usd / 1e6,
            "output_cost_per_token": backend.price.output_usd / 1e6,
        }
    if backend.daily_budget_usd is not None:
        params |= {"max_budget": backend.daily_budget_usd, "budget_duration": "1d"}
    info: dict[str, Any] = {"id": backend.id}
    if _is_counted(backend):
        info["max_input_tokens"] = backend.max_model_len
    return {"model_name": name, "litellm_params": params, "model_info": info}


def _router_settings(model: GatewayModel) -> dict[str, Any]:
    kinds = ("RateLimitError", "TimeoutError", "ServiceUnavailableError", "InternalServerError")
    settings: dict[str, Any] = {
        "routing_strategy": "simple-shuffle",
        "enable_weighted_failover": True,
        "enable_pre_call_checks": any(
            _is_counted(b) for route in model.routes for b in (*route.backends, *route.standby)
        ),
        "num_retries": model.retries,
        # a hang is not tried again at the same place: the sibling or the fallback is asked at once
        "retry_policy": {f"{kind}Retries": 0 if kind == "TimeoutError" else model.retries for kind in kinds},
        "allowed_fails_policy": {f"{kind}AllowedFails": _FAILURES_BEFORE_COOLDOWN for kind in kinds},
        "cooldown_time": model.cooldown_seconds,
        "fallbacks": [{r.name: list(r.fallbacks)} for r in model.routes if r.fallbacks],
        "context_window_fallbacks": [
            {r.name: [r.context_fallback]} for r in model.routes if r.context_fallback
        ],
        "max_fallbacks": _MAX_FALLBACK_DEPTH,
    }
    if model.redis:
        redis = _redis(model.redis)
        settings |= {f"redis_{key}": redis[key] for key in ("host", "port", "password")}
        settings["cache_kwargs"] = {"ssl": redis["ssl"]}
    return settings


def _litellm_settings(model: GatewayModel) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "callbacks": ["prometheus", "gw_privacy.privacy"],
        "turn_off_message_logging": not model.log.prompts,
        "drop_params": True,
        "json_logs": True,
        "request_timeout": model.request_timeout_seconds,
        # /v1/messages of engines by their chat route: not all have /v1/responses, LiteLLM's choice
        "use_chat_completions_url_for_anthropic_messages": True,
        "enable_post_custom_auth_checks": True,  # with custom_auth_run_common_checks: models allowed per key
        "prometheus_exclude_labels": list(_UNUSED_METRIC_LABELS),
    }
    if model.log.requests:
        settings["callbacks"].append(f"gw_log.requests{'_and_prompts' if model.log.prompts else ''}")
    if uses_budgets(model):
        settings["callbacks"].append("gw_budget.spending")
    if uses_stickiness(model):
        settings["callbacks"].append("gw_sticky.sticky")
    if uses_priorities(model):
        used = sorted({t.priority for t in model.tenants}, key=lambda p: -_PRIORITY_SHARES[p])
        whole = sum(_PRIORITY_SHARES[priority] for priority in used)
        settings["callbacks"].append("dynamic_rate_limiter_v3")
        settings["priority_reservation"] = {p: _PRIORITY_SHARES[p] / whole for p in used}
        settings["priority_reservation_settings"] = {"default_priority": 0.0, "saturation_threshold": 0.5}
    if model.redis:
        settings["cache"] = True
        # for limits, cooldowns and budgets; no kind of call has its answers cached
        settings["cache_params"] = {"type": "redis", **_redis(model.redis), "supported_call_types": []}
    return settings


def _redis(redis: Redis) -> dict[str, Any]:
    return {
        "host": redis.host,
        "port": redis.port,
        "password": f"os.environ/{REDIS_PASSWORD_ENV}",
        "ssl": redis.tls,
    }


def _is_counted(backend: Backend) -> bool:
    return backend.kind in _COUNTED_KINDS and backend.max_model_len is not None
