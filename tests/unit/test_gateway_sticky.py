"""Which version a tenant stays with: shares, moves and failures. Pure; LiteLLM is not loaded."""

from typing import Any

import pytest
from scipy.stats import binom

from components.gateway import litellm
from components.gateway.findings import gateway_findings
from components.gateway.gw_sticky import WEIGHT, chosen, holder_of
from tests.unit import gateway_examples

SPEC = gateway_examples.spec()
TENANTS = [f"tenant-{n}" for n in range(2000)]


def deployments(**weights: int) -> list[dict[str, Any]]:
    return [{"model_info": {"id": name, WEIGHT: weight}} for name, weight in weights.items()]


def version(tenant: str, among: list[dict[str, Any]], *excluded: str) -> str:
    (one,) = chosen(tenant, among, excluded)
    return str(one["model_info"]["id"])


def test_a_tenant_gets_the_same_version_in_whatever_order_they_are_listed() -> None:
    both = deployments(v1=50, v2=50)
    for tenant in TENANTS[:200]:
        assert version(tenant, both) == version(tenant, both[::-1])


@pytest.mark.parametrize("percent", [1, 10, 50])
@pytest.mark.parametrize("count", [200, 2000])
def test_shares_of_tenants_are_the_weights_within_the_99_percent_interval(percent: int, count: int) -> None:
    among = deployments(v1=100 - percent, v2=percent)
    found = sum(version(tenant, among) == "v2" for tenant in TENANTS[:count])
    low, high = binom.interval(0.99, count, percent / 100)
    assert low <= found <= high


def test_a_change_of_weights_moves_tenants_one_way_only() -> None:
    before, after = deployments(v1=90, v2=10), deployments(v1=80, v2=20)
    moved = [
        (version(t, before), version(t, after)) for t in TENANTS if version(t, before) != version(t, after)
    ]
    assert set(moved) == {("v1", "v2")}
    assert len(moved) < 0.15 * len(TENANTS)


def test_a_version_that_failed_or_is_cooled_down_is_passed_over() -> None:
    both = deployments(v1=50, v2=50)
    for tenant in TENANTS[:50]:
        first = version(tenant, both)
        assert version(tenant, both, first) != first
        healthy = [each for each in both if each["model_info"]["id"] != first]
        assert version(tenant, healthy) != first
    assert version(TENANTS[0], both, "v1", "v2") in ("v1", "v2"), "all tried: LiteLLM decides what then"


def test_requests_without_a_tenant_and_routes_that_are_not_sticky_are_left_alone() -> None:
    both, plain = deployments(v1=50, v2=50), [{"model_info": {"id": name}} for name in ("v1", "v2")]
    assert chosen(None, both, ()) == both
    assert chosen(TENANTS[0], plain, ()) == plain


def test_the_tenant_is_known_by_its_name_wherever_litellm_puts_it() -> None:
    assert holder_of({"metadata": {"user_api_key_alias": "a"}}) == "a"
    assert holder_of({"metadata": None, "litellm_metadata": {"user_api_key_alias": "b"}}) == "b"
    assert holder_of({}) is None


def test_only_sticky_routes_are_rendered_with_it() -> None:
    assert "gw_sticky.sticky" not in litellm.render(SPEC.model)["litellm_settings"]["callbacks"]
    route = SPEC.model.routes[0].model_copy(update={"sticky": True})
    model = SPEC.model.model_copy(update={"routes": (route, *SPEC.model.routes[1:])})
    config = litellm.render(model)
    assert "gw_sticky.sticky" in config["litellm_settings"]["callbacks"]
    weights = {e["model_info"]["id"]: e["model_info"].get(WEIGHT) for e in config["model_list"]}
    assert {name: weight for name, weight in weights.items() if weight} == {
        backend.id: backend.weight for backend in route.backends
    }


def test_stickiness_without_a_second_version_is_told() -> None:
    routes = tuple(
        route.model_copy(update={"sticky": True, "backends": route.backends[:1]})
        for route in SPEC.model.routes[:1]
    )
    spec = SPEC.model_copy(update={"model": SPEC.model.model_copy(update={"routes": routes})})
    found = [finding.path for finding in gateway_findings(spec)]
    assert f"models.{routes[0].name}.sticky" in found
