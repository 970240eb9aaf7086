"""What LiteLLM would accept and then not do."""

from typing import Any

import pytest

from components.gateway.findings import gateway_findings
from components.gateway.model import GatewayModel, Route
from planner.finding import Finding, Severity
from tests.unit.gateway_examples import CHAT, OPENAI, SUMMARY, backend, model, scaling, spec, tenant

UNLIMITED = tenant("free", requests_per_minute=None)
BUDGET = Route(name="openai", backends=(backend("openai-openai", "openai", daily_budget_usd=50.0),))
RATED = Route(**{**dict(SUMMARY), "capacity_requests_per_minute": 600})


def findings(gateway: GatewayModel, most: int = 4) -> list[Finding]:
    return gateway_findings(spec(model=gateway, scaling=scaling(1, most)))


def test_a_good_gateway_has_no_finding() -> None:
    assert findings(model()) == []


MISTAKES: list[tuple[str, dict[str, Any], Severity, str, str]] = [
    (
        "id of another model",
        {"routes": (Route(name="chat", backends=(backend("summary"),)), SUMMARY)},
        Severity.ERROR,
        "models.chat",
        "its backend summary has a name that model summary already uses",
    ),
    (
        "id of another backend",
        {
            "routes": (
                Route(name="a-b", backends=(backend("a-b-c"),)),
                Route(name="a", backends=(backend("a-b-c"),)),
            )
        },
        Severity.ERROR,
        "models.a",
        "its backend a-b-c has a name that model a-b already uses",
    ),
    (
        "standby id taken",
        {"routes": (Route(name="chat", backends=(backend("x"),), standby=(backend("x"),)),)},
        Severity.ERROR,
        "models.chat",
        "its backend x has a name that model chat already uses",
    ),
    (
        "budget without Redis",
        {"routes": (BUDGET,), "tenants": (UNLIMITED,), "redis": None},
        Severity.ERROR,
        "models.openai.daily_budget_usd",
        "without gateway.redis each gateway replica spends it alone, and again after each restart",
    ),
    (
        "limits without Redis",
        {
            "tenants": (
                tenant("search"),
                UNLIMITED,
                tenant("batch", requests_per_minute=None, parallel_requests=1),
            ),
            "redis": None,
        },
        Severity.WARNING,
        "gateway.redis",
        "is missing, so that each of up to 4 replicas counts the limits of search, batch alone",
    ),
    (
        "priority without capacity",
        {"tenants": (tenant("search", priority="high"), tenant("batch"))},
        Severity.WARNING,
        "tenants.search.priority",
        "'high' has no effect: no model says how many requests a minute it can take",
    ),
    (
        "priority without license",
        {"routes": (CHAT, RATED, OPENAI), "tenants": (tenant("batch"), tenant("search", priority="low"))},
        Severity.WARNING,
        "tenants.search.priority",
        "LiteLLM calls priorities a premium feature: without LITELLM_LICENSE they work, and each request "
        "logs an error that says so",
    ),
    (
        "request longer than the longest stream",
        {"routes": (SUMMARY,), "request_timeout_seconds": 301},
        Severity.ERROR,
        "gateway.request_timeout_seconds",
        "is 301, more than longest_stream_seconds 300, after which answers are cut",
    ),
    (
        "first token later than the longest stream",
        {"routes": (SUMMARY,), "first_token_timeout_seconds": 400},
        Severity.ERROR,
        "gateway.first_token_timeout_seconds",
        "is 400, more than longest_stream_seconds 300, after which answers are cut",
    ),
    (
        "tries longer than the longest stream",
        {"routes": (CHAT, SUMMARY, OPENAI), "request_timeout_seconds": 80},
        Severity.WARNING,
        "models.chat.fallbacks",
        "if all 4 places it can be answered hang, a request takes 4 x 80 s, and is cut after "
        "longest_stream_seconds 300",
    ),
]


@pytest.mark.parametrize(
    ("fields", "severity", "path", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_each_mistake_is_told_once_with_its_place(
    fields: dict[str, Any], severity: Severity, path: str, message: str
) -> None:
    (finding,) = findings(model(**fields))
    assert (finding.severity, finding.path, finding.message) == (severity, path, message)
    assert finding.fix


@pytest.mark.parametrize(
    "repaired",
    [
        model(routes=(BUDGET,)),
        model(tenants=(UNLIMITED,), redis=None),
        model(routes=(CHAT, RATED, OPENAI), tenants=(tenant("search"),)),
        model(routes=(CHAT, SUMMARY, OPENAI), request_timeout_seconds=75),
    ],
    ids=["budget with Redis", "no limits", "all priorities equal", "tries just fit"],
)
def test_the_repaired_mistake_has_no_finding(repaired: GatewayModel) -> None:
    assert findings(repaired) == []


def test_one_replica_counts_limits_without_redis() -> None:
    assert findings(model(redis=None), most=1) == []


def test_all_findings_come_at_once_behind_the_prefix() -> None:
    broken = model(
        routes=(BUDGET,), tenants=(tenant("a", priority="low"),), redis=None, request_timeout_seconds=500
    )
    found = gateway_findings(spec(model=broken), "llmserve:settings.")
    assert [finding.path for finding in found] == [
        "llmserve:settings.models.openai.daily_budget_usd",
        "llmserve:settings.gateway.redis",
        "llmserve:settings.tenants.a.priority",
        "llmserve:settings.gateway.request_timeout_seconds",
    ]
