"""Manifests of autoscalers: HorizontalPodAutoscaler and KEDA ScaledObject. Pure."""

from collections.abc import Mapping
from typing import Any

from components import quantity
from components.serving.scaling import SERIES, presets, series_of
from components.spec import Manifest, ScalingMetric, ScalingRule, ScalingSpec


def scaler(name: str, namespace: str, labels: Mapping[str, str], scaling: ScalingSpec) -> Manifest:
    """The autoscaler of the Deployment of the same name, of the kind the spec asks for."""
    render = hpa if scaling.via == "hpa" else scaled_object
    return render(name, namespace, labels, scaling)


def hpa(name: str, namespace: str, labels: Mapping[str, str], scaling: ScalingSpec) -> Manifest:
    """autoscaling/v2 with explicit behaviour, for the Deployment of the same name.

    External metrics are selected by the label `workload` = name.
    """
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling.min,
            "maxReplicas": scaling.max,
            "metrics": [_hpa_metric(name, metric) for metric in scaling.metrics],
            "behavior": _behavior(scaling),
        },
    }


def scaled_object(name: str, namespace: str, labels: Mapping[str, str], scaling: ScalingSpec) -> Manifest:
    """keda.sh/v1alpha1 ScaledObject for the Deployment of the same name; KEDA makes the HPA.

    A query without an answer is an error, never zero: after some failures in a row KEDA holds the count.
    Raises ValueError when a metric needs Prometheus and the spec has no address of it.
    """
    keda = presets()["keda"]
    triggers = [_trigger(name, namespace, metric, scaling) for metric in scaling.metrics]
    spec: dict[str, Any] = {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": scaling.min,
        "maxReplicaCount": scaling.max,
        "pollingInterval": keda["polling_seconds"],
        "cooldownPeriod": keda["cooldown_seconds"],
        "advanced": {"horizontalPodAutoscalerConfig": {"name": name, "behavior": _behavior(scaling)}},
        "triggers": triggers,
    }
    if any(trigger["type"] == "prometheus" for trigger in triggers):  # KEDA refuses it for CPU alone
        spec["fallback"] = {
            "failureThreshold": keda["failures"],
            "replicas": scaling.min,
            "behavior": "currentReplicasIfHigher",
        }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": spec,
    }


def _hpa_metric(workload: str, metric: ScalingMetric) -> dict[str, Any]:
    match metric.kind:
        case "cpu_percent":
            target = {"type": "Utilization", "averageUtilization": round(metric.target)}
            return {"type": "Resource", "resource": {"name": metric.name, "target": target}}
        case "per_pod":
            target = {"type": "AverageValue", "averageValue": quantity.number(metric.target)}
            return {"type": "Pods", "pods": {"metric": {"name": metric.name}, "target": target}}
        case "external":
            selector = {"matchLabels": {"workload": workload}}
            return {
                "type": "External",
                "external": {
                    "metric": {"name": metric.name, "selector": selector},
                    "target": {"type": "Value", "value": quantity.number(metric.target)},
                },
            }


def _trigger(name: str, namespace: str, metric: ScalingMetric, scaling: ScalingSpec) -> dict[str, Any]:
    if metric.kind == "cpu_percent":
        return {"type": "cpu", "metricType": "Utilization", "metadata": {"value": f"{round(metric.target)}"}}
    if scaling.prometheus_url is None or metric.query is None:
        raise ValueError(f"KEDA needs a Prometheus address and a query for {metric.name}")
    return {
        "type": "prometheus",
        # A sum grows with the pods, so it is divided by them; a latency ratio is the same for all of them.
        "metricType": "AverageValue" if metric.kind == "per_pod" else "Value",
        "metadata": {
            "serverAddress": scaling.prometheus_url,
            "query": metric.query.replace(SERIES, series_of(name, namespace)),
            "threshold": f"{metric.target:g}",
            "ignoreNullValues": "false",
        },
    }


def _behavior(scaling: ScalingSpec) -> dict[str, Any]:
    return {"scaleUp": _rule(scaling.up, "Max"), "scaleDown": _rule(scaling.down, "Min")}


def _rule(rule: ScalingRule, select: str) -> dict[str, Any]:
    limits = {"Pods": rule.pods, "Percent": rule.percent}
    return {
        "stabilizationWindowSeconds": rule.stabilization_seconds,
        "selectPolicy": select,
        "policies": [
            {"type": kind, "value": value, "periodSeconds": rule.period_seconds}
            for kind, value in limits.items()
            if value is not None
        ],
    }
