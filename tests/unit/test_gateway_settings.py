"""LiteLLM's settings: router, Redis, filter, environment, arguments."""

import yaml

from components.gateway import litellm
from components.gateway.model import ContentFilter
from components.gateway.timeouts import keepalive_seconds
from tests.unit.gateway_examples import model, spec


def test_router_settings_are_those_that_were_measured() -> None:
    settings = litellm.render(model(redis=None, retries=2))["router_settings"]
    assert settings == {
        "routing_strategy": "simple-shuffle",
        "enable_weighted_failover": True,
        "enable_pre_call_checks": True,
        "num_retries": 2,
        "retry_policy": {
            "RateLimitErrorRetries": 2,
            "TimeoutErrorRetries": 0,
            "ServiceUnavailableErrorRetries": 2,
            "InternalServerErrorRetries": 2,
        },
        "allowed_fails_policy": {
            "RateLimitErrorAllowedFails": 2,
            "TimeoutErrorAllowedFails": 2,
            "ServiceUnavailableErrorAllowedFails": 2,
            "InternalServerErrorAllowedFails": 2,
        },
        "cooldown_time": 10,
        "fallbacks": [{"chat": ["summary", "openai"]}],
        "context_window_fallbacks": [{"chat": ["openai"]}, {"small": ["openai"]}],
        "max_fallbacks": 3,
    }


def test_redis_serves_the_router_and_the_limits_but_caches_no_answer() -> None:
    config = litellm.render(model())
    router, shared = config["router_settings"], config["litellm_settings"]
    password = "os.environ/REDIS_PASSWORD"
    assert (router["redis_host"], router["redis_port"]) == ("redis.example", 6380)
    assert (router["redis_password"], router["cache_kwargs"]) == (password, {"ssl": True})
    assert shared["cache"] is True
    assert shared["cache_params"] == {
        "type": "redis",
        "host": "redis.example",
        "port": 6380,
        "password": password,
        "ssl": True,
        "supported_call_types": [],
    }


def test_without_redis_nothing_of_it_is_rendered() -> None:
    assert "redis" not in yaml.safe_dump(litellm.render(model(redis=None)))


def test_prompts_are_kept_out_of_logs_and_keys_out_of_the_config() -> None:
    config = litellm.render(model())
    assert config["litellm_settings"]["turn_off_message_logging"] is True
    assert config["general_settings"] == {
        "master_key": "os.environ/LITELLM_MASTER_KEY",
        "custom_auth": "gw_auth.user_api_key_auth",
        "custom_auth_run_common_checks": True,
    }


def test_the_content_filter_blocks_words_and_patterns_by_litellms_names() -> None:
    content_filter = ContentFilter(blocked_words=("secret",), blocked_patterns=("us_ssn", "phone"))
    (guardrail,) = litellm.render(model(content_filter=content_filter))["guardrails"]
    params = guardrail["litellm_params"]
    assert (params["mode"], params["default_on"]) == ("pre_call", True)
    assert [pattern["pattern_name"] for pattern in params["patterns"]] == ["us_ssn", "us_phone"]
    assert params["blocked_words"] == [{"keyword": "secret", "action": "BLOCK"}]


def test_the_environment_drains_and_ends_streams_after_the_longest_one() -> None:
    environment = litellm.environment(spec(model=model(longest_stream_seconds=450)))
    assert environment["GRACEFUL_SHUTDOWN_TIMEOUT"] == "450"
    assert environment["LITELLM_MAX_STREAMING_DURATION_SECONDS"] == "450"


def test_no_browser_origin_is_allowed_unless_named() -> None:
    assert litellm.environment(spec())["LITELLM_CORS_ORIGINS"] == ",", "empty would allow any"
    origins = ("https://a.example", "https://b.example")
    named = litellm.environment(spec(cors_origins=origins))["LITELLM_CORS_ORIGINS"]
    assert named == "https://a.example,https://b.example"


def test_arguments_bind_explicitly_and_keep_connections_longer_than_the_load_balancer() -> None:
    assert litellm.arguments(spec()) == [
        "--config",
        "/etc/litellm/config.yaml",
        "--host",
        "0.0.0.0",
        "--port",
        "4000",
        "--keepalive_timeout",
        str(keepalive_seconds(300)),
    ]
