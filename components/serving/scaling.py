"""From a scaling preset to what an autoscaler follows. Pure; numbers and their sources in presets.yaml.

The manifests made from it are in scaling_manifests.py.
"""

from collections.abc import Mapping
from typing import Any, Literal

from components.engines import adapter
from components.spec import EngineSpec, ScalingMetric, ScalingRule, ScalingSpec
from planner.data_files import package_file
from planner.finding import nearest

SERIES = "$series"
"""Stands in a query for the label matchers that select the series of one workload."""
SLO_METRIC = "llmserve_slo_pressure"
"""External metric: worst of measured / promised latency; 1 = just kept, above 1 = broken."""
_SIGNALS = ("cpu_percent", "waiting_requests", "running_share", "kv_cache_usage", "slo_pressure")
_GAUGES = {"waiting_requests": "waiting", "running_share": "running", "kv_cache_usage": "kv_usage"}


def series_of(name: str, namespace: str) -> str:
    """Label matchers for SERIES: those of one workload's pods."""
    return f'namespace="{namespace}",app_kubernetes_io_instance="{name}"'


def scaling_spec(
    *,
    preset: Literal["textbook", "queue", "slo"],
    engine: EngineSpec,
    min_replicas: int,
    max_replicas: int,
    via: Literal["hpa", "keda"],
    targets: Mapping[str, float],
    ttft_seconds: float | None = None,
    tpot_seconds: float | None = None,
    prometheus_url: str | None = None,
) -> ScalingSpec:
    """The autoscaler of one version.

    `targets` replace a signal's number, or add the signal: cpu_percent, waiting_requests (per pod),
    running_share (of max_num_seqs), kv_cache_usage (0-1), slo_pressure. Signals of the preset that the
    engine does not measure are left out; CPU takes their place if none is left. `ttft_seconds` and
    `tpot_seconds` are the 95th percentiles promised.

    Raises ValueError for an unknown target, one that is not above 0 or that the engine cannot measure, and
    for `slo` without promises or on an engine without latency metrics.
    """
    for name, target in targets.items():
        if name not in _SIGNALS:
            raise ValueError(f"target {name!r} is unknown; {nearest(name, _SIGNALS)}")
        if target <= 0:
            raise ValueError(f"target {name} is {target:g}; it must be above 0")
    numbers = presets()[preset]
    signals = {**numbers["signals"], **targets}
    pressure = _slo_query(engine, ttft_seconds, tpot_seconds) if "slo_pressure" in signals else None
    metrics = {name: _metric(engine, name, target, pressure) for name, target in signals.items()}
    missing = [name for name in targets if metrics[name] is None]
    if missing:
        needs = " without max_num_seqs" if _can_share(engine) and missing == ["running_share"] else ""
        raise ValueError(f"{engine.engine} gives no metric for {', '.join(missing)}{needs}")
    found = [metric for metric in metrics.values() if metric is not None]
    if not found:
        found = [_cpu(presets()["fallback"]["cpu_percent"])]
    return ScalingSpec(
        via=via,
        min=min_replicas,
        max=max_replicas,
        metrics=tuple(found),
        up=ScalingRule(**numbers["up"]),
        down=ScalingRule(**numbers["down"]),
        prometheus_url=prometheus_url if via == "keda" else None,
    )


def presets() -> Mapping[str, Any]:
    """The number tables of presets.yaml."""
    data: Mapping[str, Any] = package_file("components.serving", "presets.yaml")
    return data


def _metric(engine: EngineSpec, signal: str, target: float, slo_query: str | None) -> ScalingMetric | None:
    if signal == "cpu_percent":
        return _cpu(target)
    if signal == "slo_pressure":
        return ScalingMetric(kind="external", name=SLO_METRIC, target=target, query=slo_query)
    name: str | None = getattr(adapter(engine.engine).metrics, _GAUGES[signal])
    if name is None:
        return None
    if signal == "running_share":
        if engine.max_num_seqs is None:
            return None
        target *= engine.max_num_seqs
    # The metrics APIs of Kubernetes serve names without colons.
    return ScalingMetric(
        kind="per_pod", name=name.replace(":", "_"), target=target, query=f"sum({name}{{{SERIES}}})"
    )


def _cpu(percent: float) -> ScalingMetric:
    return ScalingMetric(kind="cpu_percent", name="cpu", target=percent)


def _can_share(engine: EngineSpec) -> bool:
    return adapter(engine.engine).metrics.running is not None


def _slo_query(engine: EngineSpec, ttft_seconds: float | None, tpot_seconds: float | None) -> str:
    """PromQL of the pressure: capped at 2; 0 while nothing is asked; empty when nothing is measured at all.

    Empty rather than 0, so that a dead Prometheus is an error and not a reason to scale down.
    """
    if ttft_seconds is None or tpot_seconds is None:
        raise ValueError("preset slo follows the model's objectives: add objectives")
    metrics = adapter(engine.engine).metrics
    promised = {metrics.ttft_histogram: ttft_seconds, metrics.tpot_histogram: tpot_seconds}
    ratios = [_ratio(name, seconds) for name, seconds in promised.items() if name is not None]
    if not ratios:
        raise ValueError(f"{engine.engine} measures no latency; use preset queue or textbook")
    idle = f"0 * sum({metrics.running or metrics.success}{{{SERIES}}})"
    return f"clamp_max(max({' or '.join(ratios)}) >= 0 or {idle}, 2)"


def _ratio(histogram: str, seconds: float) -> str:
    p95 = f"histogram_quantile(0.95, sum by (le) (rate({histogram}_bucket{{{SERIES}}}[2m])))"
    return f'label_replace({p95} / {seconds:g}, "signal", "{histogram}", "", "")'
