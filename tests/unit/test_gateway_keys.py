"""The keys document and what a key opens."""

import hashlib
import json

import pytest
from hypothesis import given

from components.gateway.keys import allowed_routes, keys_document, reachable_routes
from components.gateway.model import GatewayModel, Route
from tests.unit.gateway_examples import CHAT, CLAUDE, OPENAI, SUMMARY, backend, model, models, tenant


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def test_the_document_holds_hashes_limits_and_routes() -> None:
    search = tenant("search", tokens_per_minute=1000, parallel_requests=4, priority="high")
    document = json.loads(keys_document(model(tenants=(search,)), {"search": "sk-of-search"}))
    assert document == {
        digest("sk-of-search"): {
            "tenant": "search",
            "requests_per_minute": 60,
            "tokens_per_minute": 1000,
            "parallel_requests": 4,
            "models": ["chat", "summary", "openai"],
            "priority": "high",
            "budget": None,
        }
    }


@given(models())
def test_no_key_is_ever_in_clear_and_every_tenant_is_there(any_model: GatewayModel) -> None:
    keys = {t.name: f"clear-key-of-{t.name}" for t in any_model.tenants}
    text = keys_document(any_model, keys)
    assert not [key for key in keys.values() if key in text]
    assert {holder["tenant"] for holder in json.loads(text).values()} == set(keys)


@pytest.mark.parametrize("keys", [{}, {"search": ""}], ids=["absent", "empty"])
def test_a_tenant_without_a_key_is_named(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^tenant search has no key$"):
        keys_document(model(tenants=(tenant("search"),)), keys)


def test_a_shared_key_names_both_tenants_and_not_the_key() -> None:
    two = model(tenants=(tenant("a"), tenant("b")))
    with pytest.raises(ValueError, match=r"^tenants a and b have the same key$"):
        keys_document(two, {"a": "sk-same", "b": "sk-same"})


def test_a_key_opens_the_fallbacks_of_its_routes_and_no_more() -> None:
    assert allowed_routes(tenant("t", models=("chat",)), model()) == ("chat", "summary", "openai")
    assert allowed_routes(tenant("t", models=("summary",)), model()) == ("summary",)
    assert allowed_routes(tenant("t", models=("small", "claude")), model()) == ("small", "claude", "openai")


def test_fallbacks_of_fallbacks_are_reached_nearest_first_and_a_cycle_ends() -> None:
    first = Route(
        name="first", backends=(backend("first-v1"),), fallbacks=("second",), context_fallback="third"
    )
    second = Route(name="second", backends=(backend("second-v1"),), fallbacks=("fourth", "first"))
    third = Route(name="third", backends=(backend("third-v1"),))
    fourth = Route(name="fourth", backends=(backend("fourth-v1"),), fallbacks=("first",))
    routes = {route.name: route for route in (first, second, third, fourth)}
    assert reachable_routes("first", routes) == ("first", "second", "third", "fourth")


def test_a_name_that_is_no_route_is_passed_over() -> None:
    routes = {route.name: route for route in (CHAT, OPENAI, CLAUDE)}
    assert SUMMARY.name in CHAT.fallbacks
    assert reachable_routes("chat", routes) == ("chat", "openai")
    assert reachable_routes("nothing", routes) == ()


def test_several_keys_of_a_tenant_open_the_same_while_one_is_changed_for_another() -> None:
    document = json.loads(
        keys_document(model(tenants=(tenant("search"),)), {"search": "sk-new\nsk-old sk-old"})
    )
    assert set(document) == {digest("sk-new"), digest("sk-old")}
    assert document[digest("sk-new")] == document[digest("sk-old")]
