"""Alerts on models, gateway and GPUs, as Prometheus rule groups. Pure; numbers come in by AlertSpec.

A group works in a PrometheusRule and in a plain rules file alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.gateway.metrics import BACKEND_LABEL, LITELLM
from components.gateway.model import GatewaySpec
from components.platform import error_alerts, queries
from components.platform.rule import Rule, rule
from components.platform.spec import AlertSpec
from components.spec import VersionSpec

_VERSION = f"{{{{ $labels.{queries.MODEL} }}}}/{{{{ $labels.{queries.VERSION} }}}}"


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
        # In one group, since groups are evaluated in no order: alerts see what was recorded just now.
        "llmserve-errors": [*error_alerts.recorded(namespace), *error_alerts.rules(gateway, alerts)],
        "llmserve-latency": _latency(versions, namespace, alerts, objectives),
        "llmserve-queue": _queue(versions, namespace, alerts),
        "llmserve-telemetry": _telemetry(versions, gateway, gpu_metrics=gpu_metrics),
        "llmserve-gpu": _gpu(namespace, alerts) if gpu_metrics else [],
        "llmserve-cost": _cost(gateway, alerts),
    }
    return [{"name": name, "rules": rules} for name, rules in made.items() if rules]


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
            rules.append(rule("LlmserveSlowFirstToken", f"{first} > {ttft:g}", "5m", "warning", text))
        each = queries.p95(engines, "tpot", namespace, "5m", own)
        if each and tpot is not None:
            text = f"95 % of the tokens of {_VERSION} take up to more than {tpot:g} s"
            rules.append(rule("LlmserveSlowTokens", f"{each} > {tpot:g}", "5m", "warning", text))
    return rules


def _queue(versions: Sequence[VersionSpec], namespace: str, alerts: AlertSpec) -> list[Rule]:
    engines = queries.engines_of(versions)
    rules = []
    if waiting := queries.gauge(engines, "waiting", namespace):
        expression = f"sum by ({queries.MODEL}, {queries.VERSION}) ({waiting}) > {alerts.queue_requests}"
        text = f"More than {alerts.queue_requests} requests wait for {_VERSION}"
        rules.append(rule("LlmserveQueue", expression, "3m", "warning", text))
    if full := queries.gauge(engines, "kv_usage", namespace):
        expression = f"min by ({queries.MODEL}, {queries.VERSION}) ({full}) > 0.95"
        text = f"Every pod of {_VERSION} has a full KV cache: requests are put off or started again"
        rules.append(rule("LlmserveKvCacheFull", expression, "10m", "warning", text))
    return rules


def _telemetry(versions: Sequence[VersionSpec], gateway: GatewaySpec, *, gpu_metrics: bool) -> list[Rule]:
    """Nothing measured is not nothing wrong."""
    namespace = gateway.namespace
    rules = [
        rule(
            "LlmserveNoReplica",
            f"{queries.select(queries.AVAILABLE, namespace)} == 0",
            "2m",
            "critical",
            "No pod of {{ $labels.deployment }} is available",
        ),
        rule(
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
        rules.append(rule("LlmserveEngineUnseen", f"absent({seen} == 1)", lasts, "warning", text, own))
        renamed = f"({seen} == 1) unless on (namespace, pod) ({indicator})"
        text = f"{spec.model}/{spec.version} answers scrapes without the metrics that its engine should have"
        rules.append(rule("LlmserveMetricMissing", renamed, "10m", "warning", text, own))
    if gpu_metrics:
        some = f"on () (count({queries.up(namespace, 'engine')} == 1) > 0)"
        gpu = queries.select(queries.GPU_BUSY, namespace)
        text = "Engines run, but no GPU of theirs is measured"
        rules.append(rule("LlmserveGpuUnseen", f"absent({gpu}) and {some}", "15m", "warning", text))
    return rules


def _gpu(namespace: str, alerts: AlertSpec) -> list[Rule]:
    fault = queries.select(queries.GPU_FAULT, namespace)
    busy = queries.select(queries.GPU_BUSY, namespace)
    hours = alerts.idle_gpu_hours
    return [
        rule(
            "LlmserveGpuFault",
            f"changes({fault}[10m]) > 0",
            None,
            "warning",
            "GPU {{ $labels.gpu }} of {{ $labels.pod }} reported an XID; NVIDIA's table tells which",
        ),
        rule(
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
                rule("LlmserveBudget", f"{spent} > {limit:g}", "1m", "warning", text, {"model": route.name})
            )
    return rules
