"""LiteLLM's entries, one per backend, from the gateway-neutral model."""

from collections import defaultdict
from typing import Any

import pytest
import yaml
from hypothesis import given

from components.gateway import litellm
from components.gateway.model import (
    Backend,
    ContentFilter,
    GatewayModel,
    Moderation,
    RequestLog,
    Route,
    TokenPrice,
    uses_priorities,
)
from tests.snapshot import assert_snapshot
from tests.unit.gateway_examples import CHAT, OPENAI, backend, model, models, tenant


def entries(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["model_info"]["id"]: entry for entry in config["model_list"]}


def one_backend(**fields: Any) -> dict[str, Any]:
    """The only entry of a gateway with one backend."""
    kind = fields.pop("kind")
    route = Route(name="chat", backends=(backend("chat-v1", kind, **fields),))
    (entry,) = litellm.render(model(routes=(route,)))["model_list"]
    return dict(entry)


@pytest.mark.parametrize(
    ("kind", "model_name", "api_base"),
    [
        ("vllm", "hosted_vllm/served", "http://chat-v1/v1"),
        ("sglang", "hosted_vllm/served", "http://chat-v1/v1"),
        ("tgi", "openai/served", "http://chat-v1/v1"),
        ("tensorrt-llm", "openai/served", "http://chat-v1/v1"),
        ("ollama", "openai/served", "http://chat-v1/v1"),
        ("openai", "openai/served", None),
        ("anthropic", "anthropic/served", None),
    ],
)
def test_every_kind_of_backend_is_called_by_its_own_provider(
    kind: str, model_name: str, api_base: str | None
) -> None:
    params = one_backend(kind=kind)["litellm_params"]
    assert (params["model"], params.get("api_base")) == (model_name, api_base)


@pytest.mark.parametrize(
    ("kind", "base_url", "api_base"),
    [
        ("openai", "https://api.example", "https://api.example/v1"),
        ("openai", "https://api.example/", "https://api.example/v1"),
        ("openai", "https://api.example/openai/v1", "https://api.example/openai/v1"),
        ("anthropic", "https://api.example", "https://api.example"),
    ],
)
def test_a_provider_at_another_address_gets_v1_only_where_it_has_no_path(
    kind: str, base_url: str, api_base: str
) -> None:
    assert one_backend(kind=kind, base_url=base_url)["litellm_params"]["api_base"] == api_base


def test_a_backend_with_traffic_is_rendered_in_full() -> None:
    assert entries(litellm.render(model()))["chat-v1"] == {
        "model_name": "chat",
        "litellm_params": {
            "model": "hosted_vllm/served",
            "api_base": "http://chat-v1/v1",
            "api_key": "none",
            "weight": 90,
            "timeout": 60,
            "stream_timeout": 10,
        },
        "model_info": {"id": "chat-v1"},
    }


def test_a_standby_backend_answers_to_its_id_and_never_to_the_public_name() -> None:
    entry = entries(litellm.render(model()))["chat-v3"]
    assert entry["model_name"] == "chat-v3"
    assert "weight" not in entry["litellm_params"], (
        "LiteLLM sends traffic to weight 0 when the rest is cooling"
    )


def test_a_providers_key_and_budget_are_its_own_and_the_key_stays_in_the_environment() -> None:
    params = one_backend(kind="openai", api_key_env="OPENAI_API_KEY", daily_budget_usd=50.0)["litellm_params"]
    assert params["api_key"] == "os.environ/OPENAI_API_KEY"
    assert (params["max_budget"], params["budget_duration"]) == (50.0, "1d")


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("ollama", True),
        ("tgi", True),
        ("tensorrt-llm", True),
        ("vllm", False),
        ("sglang", False),
        ("openai", False),
    ],
)
def test_prompts_are_counted_for_engines_that_do_not_refuse_long_ones_clearly(
    kind: str, counted: bool
) -> None:
    route = Route(name="chat", backends=(backend("chat-v1", kind, max_model_len=4096),))
    config = litellm.render(model(routes=(route,)))
    expected = {"id": "chat-v1", "max_input_tokens": 4096} if counted else {"id": "chat-v1"}
    assert config["model_list"][0]["model_info"] == expected
    assert config["router_settings"]["enable_pre_call_checks"] is counted


CAPACITY = Route(**{**dict(CHAT), "capacity_requests_per_minute": 105})


def test_priorities_share_a_capacity_six_to_three_to_one_of_those_in_use() -> None:
    config = litellm.render(
        model(
            routes=(CAPACITY, OPENAI),
            tenants=(tenant("a", priority="high"), tenant("b"), tenant("c", priority="low")),
        )
    )
    settings = config["litellm_settings"]
    assert settings["callbacks"] == [
        "prometheus",
        "gw_privacy.privacy",
        "gw_log.requests",
        "dynamic_rate_limiter_v3",
    ]
    assert settings["priority_reservation"] == {"high": 0.6, "normal": 0.3, "low": 0.1}
    assert [entries(config)[i]["litellm_params"].get("rpm") for i in ("chat-v1", "chat-v2", "chat-v3")] == [
        94,
        11,
        None,
    ]


@pytest.mark.parametrize(
    ("routes", "priority"),
    [((CAPACITY, OPENAI), "normal"), ((CHAT, OPENAI), "high")],
    ids=["all equal", "no capacity"],
)
def test_priorities_without_effect_are_not_switched_on(routes: tuple[Route, ...], priority: str) -> None:
    config = litellm.render(model(routes=routes, tenants=(tenant("a", priority=priority),)))
    assert config["litellm_settings"]["callbacks"] == ["prometheus", "gw_privacy.privacy", "gw_log.requests"]
    assert "rpm" not in entries(config)["chat-v1"]["litellm_params"]


@given(models())
def test_every_backend_is_one_entry_with_its_own_id(any_model: GatewayModel) -> None:
    rendered = [entry["model_info"]["id"] for entry in litellm.render(any_model)["model_list"]]
    declared = [b.id for route in any_model.routes for b in (*route.backends, *route.standby)]
    assert sorted(rendered) == sorted(declared)
    assert len(set(rendered)) == len(rendered)


@given(models())
def test_the_weights_of_every_route_are_kept(any_model: GatewayModel) -> None:
    weights: dict[str, dict[str, int]] = defaultdict(dict)
    for entry in litellm.render(any_model)["model_list"]:
        if "weight" in entry["litellm_params"]:
            weights[entry["model_name"]][entry["model_info"]["id"]] = entry["litellm_params"]["weight"]
    assert weights == {r.name: {b.id: b.weight for b in r.backends} for r in any_model.routes}


@given(models())
def test_the_parts_of_a_capacity_add_up_to_it(any_model: GatewayModel) -> None:
    config = litellm.render(any_model)
    for route in any_model.routes:
        parts = [
            entry["litellm_params"]["rpm"]
            for entry in config["model_list"]
            if entry["model_name"] == route.name and "rpm" in entry["litellm_params"]
        ]
        rated = uses_priorities(any_model) and route.capacity_requests_per_minute is not None
        assert sum(parts) == (route.capacity_requests_per_minute if rated else 0)


@given(models())
def test_the_config_survives_yaml(any_model: GatewayModel) -> None:
    config = litellm.render(any_model)
    assert yaml.safe_load(yaml.safe_dump(config, sort_keys=False)) == config


def test_the_whole_config_is_as_recorded() -> None:
    tenants = (tenant("search", priority="high", models=("chat", "small")), tenant("batch", priority="low"))
    whole = model(
        routes=(CAPACITY, *model().routes[1:]),
        tenants=tenants,
        content_filter=ContentFilter(blocked_words=("secret",), blocked_patterns=("us_ssn",)),
    )
    assert_snapshot("gateway/litellm.yaml", yaml.safe_dump(litellm.render(whole), sort_keys=False))


def test_a_backends_address_is_taken_as_it_is_where_it_has_none() -> None:
    nowhere = Backend(id="x", kind="openai", base_url=None, model="m", weight=100)
    assert litellm.api_base(nowhere) is None


def test_a_price_is_said_per_token() -> None:
    priced = backend("chat-v1", price=TokenPrice(input_usd=1.5, output_usd=6.0))
    [entry] = litellm.render(model(routes=(Route(name="chat", backends=(priced,)),)))["model_list"]
    assert entry["litellm_params"]["input_cost_per_token"] == pytest.approx(1.5e-6)
    assert entry["litellm_params"]["output_cost_per_token"] == pytest.approx(6e-6)


def test_answers_are_masked_by_a_guardrail_of_their_own() -> None:
    words = ContentFilter(blocked_words=("unicorn",), answers=True)
    asked, answered = litellm.render(model(content_filter=words))["guardrails"]
    assert (asked["litellm_params"]["mode"], answered["litellm_params"]["mode"]) == ("pre_call", "post_call")
    actions = [each["litellm_params"]["blocked_words"][0]["action"] for each in (asked, answered)]
    assert actions == ["BLOCK", "MASK"]


@pytest.mark.parametrize(
    ("prompts", "answers", "mode"),
    [(True, False, ["pre_call"]), (False, True, ["post_call"]), (True, True, ["pre_call", "post_call"])],
)
def test_a_moderation_service_is_asked_about_what_it_shall_read(
    prompts: bool, answers: bool, mode: list[str]
) -> None:
    moderation = Moderation(
        base_url="https://judge.example/v1/",
        model="omni-moderation-latest",
        api_key_env="JUDGE_KEY",
        prompts=prompts,
        answers=answers,
        seconds=5,
    )
    [entry] = litellm.render(model(content_filter=None, moderation=moderation))["guardrails"]
    assert entry["litellm_params"] == {
        "guardrail": "openai_moderation",
        "mode": mode,
        "default_on": True,
        "api_base": "https://judge.example/v1",
        "api_key": "os.environ/JUDGE_KEY",
        "model": "omni-moderation-latest",
        "timeout": 5,
    }


@pytest.mark.parametrize(
    ("log", "callback", "redacted"),
    [
        (RequestLog(), "gw_log.requests", True),
        (RequestLog(prompts=True), "gw_log.requests_and_prompts", False),
        (RequestLog(requests=False), None, True),
    ],
)
def test_requests_are_logged_as_asked(log: RequestLog, callback: str | None, redacted: bool) -> None:
    settings = litellm.render(model(log=log))["litellm_settings"]
    assert [each for each in settings["callbacks"] if each.startswith("gw_log")] == (
        [callback] if callback else []
    )
    assert settings["turn_off_message_logging"] is redacted
