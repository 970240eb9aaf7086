"""Alerts on models, gateway and GPUs, as Prometheus rule groups. Pure; numbers come in by AlertSpec.

A group works in a PrometheusRule and in a plain rules file alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from components.gateway.metrics import BACKEND_LABEL, LITELLM
from components.gateway.model import GatewaySpec
from components.platform import queries
from components.platform.spec import AlertSpec
from components.spec import VersionSpec

Rule = dict[str, Any]


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
_VERSION = f"{{{{ $labels.{queries.MODEL} }}}}/{{{{ $labels.{queries.VERSION} }}}}"
_BACKEND = f"{{{{ $labels.{BACKEND_LABEL} }}}}"


def groups(
    versions: Sequence[VersionSpec],
    gateway: GatewaySpec,
    alerts: AlertSpec,
    objectives: Mapping[str, tuple[float, float]],
    *,
    gpu_metrics: bool,
) -> list[dict[str, Any]]:
    """All rule groups of a stack, without empty ones.

    `objectives` are seconds to the first token and per token that a model promises in 95 % of requests;
    `gpu_metrics` is whether dcgm-exporter runs.
    """
    namespace = gateway.namespace
    made = {
        "llmserve-recorded": _recorded(namespace),
        "llmserve-errors": [*_errors(namespace, alerts), *_burn_rates(gateway, alerts)],
        "llmserve-latency": _latency(versions, namespace, alerts, objectives),
        "llmserve-queue": _queue(versions, namespace, alerts),
        "llmserve-telemetry": _telemetry(versions, gateway, gpu_metrics=gpu_metrics),
        "llmserve-gpu": _gpu(namespace, alerts) if gpu_metrics else [],
        "llmserve-cost": _cost(gateway, alerts),
    }
    return [{"name": name, "rules": rules} for name, rules in made.items() if rules]


def _recorded(namespace: str) -> list[Rule]:
    """What several alerts ask for, computed once."""
    queried = {"failures": queries.failures, "tries": queries.tries}
    return [
        {
            "record": queries.recorded(what, window),
            "expr": query(namespace, window),
            "labels": {"namespace": namespace},
        }
        for window in (_ERROR_WINDOW, *(f"{minutes}m" for burn in _BURNS for minutes in burn[2:4]))
        for what, query in queried.items()
    ]


def _errors(namespace: str, alerts: AlertSpec) -> list[Rule]:
    failed, tried = (
        queries.select(queries.recorded(what, _ERROR_WINDOW), namespace) for what in ("failures", "tries")
    )
    limits = (
        ("LlmserveErrors", "warning", alerts.error_percent, "10m"),
        ("LlmserveManyErrors", "critical", alerts.critical_error_percent, "5m"),
    )
    return [
        _rule(
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

        def total(what: Literal["failures", "tries"], minutes: int, own: str = own) -> str:
            return f"sum ({queries.select(queries.recorded(what, f'{minutes}m'), gateway.namespace, own)})"

        for burn in _BURNS:
            limit = burn.times * (100 - target) / 100
            clauses = [
                f"{total('failures', minutes)} / {total('tries', minutes)} > {limit:g}"
                for minutes in (burn.long_minutes, burn.short_minutes)
            ]
            count = f"{total('tries', burn.long_minutes)} * {burn.long_minutes * 60}"
            rules.append(
                _rule(
                    "LlmserveErrorBudget",
                    " and ".join([*clauses, f"{count} >= {alerts.min_requests}"]),
                    burn.lasts,
                    burn.severity,
                    f"{route.name} uses up the error budget of {target:g} % {burn.times:g} times too fast",
                    {"model": route.name},
                )
            )
    return rules


def _latency(
    versions: Sequence[VersionSpec],
    namespace: str,
    alerts: AlertSpec,
    objectives: Mapping[str, tuple[float, float]],
) -> list[Rule]:
    rules = []
    for model in dict.fromkeys(spec.model for spec in versions):
        engines = queries.engines_of([spec for spec in versions if spec.model == model])
        ttft, tpot = objectives.get(model, (alerts.ttft_p95_seconds, None))
        own = f'{queries.MODEL}="{model}"'
        first = queries.p95(engines, "ttft", namespace, "5m", own)
        if first:
            text = f"95 % of the first tokens of {_VERSION} take up to more than {ttft:g} s"
            rules.append(_rule("LlmserveSlowFirstToken", f"{first} > {ttft:g}", "5m", "warning", text))
        each = queries.p95(engines, "tpot", namespace, "5m", own)
        if each and tpot is not None:
            text = f"95 % of the tokens of {_VERSION} take up to more than {tpot:g} s"
            rules.append(_rule("LlmserveSlowTokens", f"{each} > {tpot:g}", "5m", "warning", text))
    return rules


def _queue(versions: Sequence[VersionSpec], namespace: str, alerts: AlertSpec) -> list[Rule]:
    engines = queries.engines_of(versions)
    rules = []
    if waiting := queries.gauge(engines, "waiting", namespace):
        expression = f"sum by ({queries.MODEL}, {queries.VERSION}) ({waiting}) > {alerts.queue_requests}"
        text = f"More than {alerts.queue_requests} requests wait for {_VERSION}"
        rules.append(_rule("LlmserveQueue", expression, "3m", "warning", text))
    if full := queries.gauge(engines, "kv_usage", namespace):
        expression = f"min by ({queries.MODEL}, {queries.VERSION}) ({full}) > 0.95"
        text = f"Every pod of {_VERSION} has a full KV cache: requests are put off or started again"
        rules.append(_rule("LlmserveKvCacheFull", expression, "10m", "warning", text))
    return rules


def _telemetry(versions: Sequence[VersionSpec], gateway: GatewaySpec, *, gpu_metrics: bool) -> list[Rule]:
    """Nothing measured is not nothing wrong."""
    namespace = gateway.namespace
    rules = [
        _rule(
            "LlmserveNoReplica",
            f"{queries.select(queries.AVAILABLE, namespace)} == 0",
            "2m",
            "critical",
            "No pod of {{ $labels.deployment }} is available",
        ),
        _rule(
            "LlmserveGatewayUnseen",
            f"absent({queries.up(namespace, 'gateway')} == 1)",
            "5m",
            "critical",
            "No pod of the gateway gives metrics: errors and cost are not seen",
        ),
    ]
    for spec in versions:
        indicator = queries.gauge([spec.engine.engine], "running", namespace) or queries.gauge(
            [spec.engine.engine], "kv_usage", namespace
        )
        if indicator is None:
            continue
        seen = queries.up(namespace, "engine", spec.name)
        own = {"model": spec.model, "version": spec.version}
        text = f"No pod of {spec.model}/{spec.version} gives metrics for longer than a start may take"
        lasts = f"{spec.startup_seconds + 600}s"
        rules.append(_rule("LlmserveEngineUnseen", f"absent({seen} == 1)", lasts, "warning", text, own))
        renamed = f"({seen} == 1) unless on (namespace, pod) ({indicator})"
        text = f"{spec.model}/{spec.version} answers scrapes without the metrics that its engine should have"
        rules.append(_rule("LlmserveMetricMissing", renamed, "10m", "warning", text, own))
    if gpu_metrics:
        some = f"on () (count({queries.up(namespace, 'engine')} == 1) > 0)"
        gpu = queries.select(queries.GPU_BUSY, namespace)
        text = "Engines run, but no GPU of theirs is measured"
        rules.append(_rule("LlmserveGpuUnseen", f"absent({gpu}) and {some}", "15m", "warning", text))
    return rules


def _gpu(namespace: str, alerts: AlertSpec) -> list[Rule]:
    fault = queries.select(queries.GPU_FAULT, namespace)
    busy = queries.select(queries.GPU_BUSY, namespace)
    hours = alerts.idle_gpu_hours
    return [
        _rule(
            "LlmserveGpuFault",
            f"changes({fault}[10m]) > 0",
            None,
            "warning",
            "GPU {{ $labels.gpu }} of {{ $labels.pod }} reported an XID; NVIDIA's table tells which",
        ),
        _rule(
            "LlmserveGpuIdle",
            f"max_over_time({busy}[{hours}h]) == 0",
            "15m",
            "info",
            f"GPU {{{{ $labels.gpu }}}} is paid for, held by {{{{ $labels.pod }}}} and idle for {hours} h",
        ),
    ]


def _cost(gateway: GatewaySpec, alerts: AlertSpec) -> list[Rule]:
    """Of providers with a budget; what GPUs cost is not a metric (the preview tells it)."""
    rules = []
    for route in gateway.model.routes:
        for backend in route.backends:
            if backend.daily_budget_usd is None:
                continue
            own = f'{BACKEND_LABEL}="{backend.id}"'
            spent = f"sum(increase({queries.select(LITELLM.spend, gateway.namespace, own)}[1d]))"
            limit = backend.daily_budget_usd * alerts.budget_percent / 100
            text = f"{route.name} spent more than {limit:g} of {backend.daily_budget_usd:g} USD in 24 h"
            rules.append(
                _rule("LlmserveBudget", f"{spent} > {limit:g}", "1m", "warning", text, {"model": route.name})
            )
    return rules


def _rule(
    name: str,
    expression: str,
    lasts: str | None,
    severity: str,
    summary: str,
    labels: Mapping[str, str] | None = None,
) -> Rule:
    return {
        "alert": name,
        "expr": expression,
        **({"for": lasts} if lasts else {}),
        "labels": {"severity": severity, **(labels or {})},
        "annotations": {"summary": summary, "runbook": f"docs/platform.md#{name.lower()}"},
    }
