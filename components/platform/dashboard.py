"""The Grafana dashboard of a stack, as JSON. Pure.

Uses what every Grafana since 8 knows: time series, one data source variable, rows by grid position.
"""

import json
from collections.abc import Sequence
from typing import Any

from components import naming
from components.gateway.metrics import BACKEND_LABEL, LITELLM
from components.platform import queries
from components.platform.values import DASHBOARD_LABEL
from components.spec import Manifest, VersionSpec

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24
_BY_VERSION = f"{{{{{queries.MODEL}}}}}/{{{{{queries.VERSION}}}}}"
_BY_BACKEND = f"{{{{{BACKEND_LABEL}}}}}"
_WINDOW = "5m"


def dashboard_config_map(versions: Sequence[VersionSpec], namespace: str) -> Manifest:
    """A ConfigMap that Grafana's sidecar finds by its label, in whatever namespace."""
    name = f"{namespace}-dashboard"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**naming.labels("dashboard", name), DASHBOARD_LABEL: "1"},
        },
        "data": {f"{name}.json": json.dumps(dashboard(versions, namespace), indent=1)},
    }


def dashboard(versions: Sequence[VersionSpec], namespace: str) -> dict[str, Any]:
    """Latency, queue, errors, tokens, GPU and cost, per model and version."""
    panels = [panel for panel in _panels(versions, namespace) if panel is not None]
    return {
        "uid": f"llmserve-{naming.content_hash({'namespace': namespace})}",
        "title": f"llmserve: {namespace}",
        "tags": ["llmserve"],
        "schemaVersion": 36,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [
            {**panel, "id": number + 1, "gridPos": _place(number)} for number, panel in enumerate(panels)
        ],
    }


def _panels(versions: Sequence[VersionSpec], namespace: str) -> list[dict[str, Any] | None]:
    engines = queries.engines_of(versions)

    def total(what: Any) -> str | None:
        found = queries.gauge(engines, what, namespace)
        return f"sum by ({queries.MODEL}, {queries.VERSION}) ({found})" if found else None

    def gpu(metric: str) -> str:
        return f"avg by ({queries.MODEL}, {queries.VERSION}) ({queries.by_version(metric, namespace)})"

    def backend(counter: str) -> str:
        return queries.by_backend(counter, namespace, _WINDOW)

    used, free = gpu(queries.GPU_MEMORY_USED), gpu(queries.GPU_MEMORY_FREE)
    kv_usage = queries.gauge(engines, "kv_usage", namespace)
    highest = f"max by ({queries.MODEL}, {queries.VERSION}) ({kv_usage})" if kv_usage else None
    first, each = (queries.p95(engines, what, namespace, _WINDOW) for what in ("ttft", "tpot"))
    return [
        _panel("Time to first token, p95", first, "s", _BY_VERSION),
        _panel("Time per output token, p95", each, "s", _BY_VERSION),
        _panel("Waiting requests", total("waiting"), "short", _BY_VERSION),
        _panel("Running requests", total("running"), "short", _BY_VERSION),
        _panel("KV cache, fullest pod", highest, "percentunit", _BY_VERSION),
        _panel("Tries per second", queries.tries(namespace, _WINDOW), "reqps", _BY_BACKEND),
        _panel(
            "Failed tries",
            f"{queries.failures(namespace, _WINDOW)} / ({queries.tries(namespace, _WINDOW)})",
            "percentunit",
            _BY_BACKEND,
        ),
        _panel("Prompt tokens per second", backend(LITELLM.input_tokens), "short", _BY_BACKEND),
        _panel("Output tokens per second", backend(LITELLM.output_tokens), "short", _BY_BACKEND),
        _panel("GPU busy", gpu(queries.GPU_BUSY), "percent", _BY_VERSION),
        _panel("GPU memory used", f"{used} / ({used} + {free})", "percentunit", _BY_VERSION),
        _panel("Spend per hour, providers", f"{backend(LITELLM.spend)} * 3600", "currencyUSD", _BY_BACKEND),
    ]


def _panel(title: str, expression: str | None, unit: str, legend: str) -> dict[str, Any] | None:
    if expression is None:
        return None
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": expression, "legendFormat": legend}],
    }


def _place(number: int) -> dict[str, int]:
    per_row = _COLUMNS // _WIDTH
    return {
        "x": number % per_row * _WIDTH,
        "y": number // per_row * _HEIGHT,
        "w": _WIDTH,
        "h": _HEIGHT,
    }
