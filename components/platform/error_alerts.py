"""Alerts on failed tries of backends, and on how fast they use up a model's error budget. Pure."""

from typing import NamedTuple

from components.gateway.metrics import BACKEND_LABEL
from components.gateway.model import GatewaySpec
from components.platform import queries
from components.platform.rule import Rule, rule
from components.platform.spec import AlertSpec

_BACKEND = f"{{{{ $labels.{BACKEND_LABEL} }}}}"


class _Burn(NamedTuple):
    severity: str
    times: float
    """How much faster than evenly over 30 days the budget goes."""
    long_minutes: int
    short_minutes: int
    lasts: str


_BURNS = (_Burn("critical", 14.4, 60, 5, "2m"), _Burn("warning", 6, 360, 30, "15m"))
"""Two of the windows of Google's SRE workbook, chapter 5."""
_ERROR_WINDOW = "10m"


def rules(gateway: GatewaySpec, alerts: AlertSpec) -> list[Rule]:
    """Alerts by backend and by model."""
    return [*_errors(gateway.namespace, alerts), *_burn_rates(gateway, alerts)]


def recorded(namespace: str) -> list[Rule]:
    """What several alerts ask for, computed once."""
    return [
        {
            "record": queries.recorded(what, window),
            "expr": query(namespace, window),
            "labels": {"namespace": namespace},
        }
        for window in (_ERROR_WINDOW, *(f"{minutes}m" for burn in _BURNS for minutes in burn[2:4]))
        for what, query in queries.RATED.items()
    ]


def _errors(namespace: str, alerts: AlertSpec) -> list[Rule]:
    failed = queries.select(queries.recorded("failures", _ERROR_WINDOW), namespace)
    tried = queries.select(queries.recorded("tries", _ERROR_WINDOW), namespace)
    limits = (
        ("LlmserveErrors", "warning", alerts.error_percent, "10m"),
        ("LlmserveManyErrors", "critical", alerts.critical_error_percent, "5m"),
    )
    return [
        rule(
            name,
            f"{failed} / {tried} > {percent / 100:g} and {tried} * 600 >= {alerts.min_requests}",
            lasts,
            severity,
            f"More than {percent:g} % of the tries of {_BACKEND} fail",
        )
        for name, severity, percent, lasts in limits
    ]


def _burn_rates(gateway: GatewaySpec, alerts: AlertSpec) -> list[Rule]:
    """Per model: its tries fail so often that the error budget of 30 days is gone in about 2 or 5 days.

    Tries and not answers: a fallback that hides a failure from users has used up the same budget.
    """
    target = alerts.availability_percent
    rules = []
    for route in gateway.model.routes:
        backends = "|".join(backend.id for backend in (*route.backends, *route.standby))
        own = f'{BACKEND_LABEL}=~"{backends}"'

        def total(what: queries.Rated, minutes: int, own: str = own) -> str:
            return f"sum ({queries.select(queries.recorded(what, f'{minutes}m'), gateway.namespace, own)})"

        for burn in _BURNS:
            limit = burn.times * (100 - target) / 100
            clauses = [
                f"{total('failures', minutes)} / {total('tries', minutes)} > {limit:g}"
                for minutes in (burn.long_minutes, burn.short_minutes)
            ]
            count = f"{total('tries', burn.long_minutes)} * {burn.long_minutes * 60}"
            rules.append(
                rule(
                    "LlmserveErrorBudget",
                    " and ".join([*clauses, f"{count} >= {alerts.min_requests}"]),
                    burn.lasts,
                    burn.severity,
                    f"{route.name} uses up the error budget of {target:g} % {burn.times:g} times too fast",
                    {"model": route.name},
                )
            )
    return rules
