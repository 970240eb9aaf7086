"""Which releases a platform has, in which order, with which values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.platform import values
from components.platform.charts import charts
from components.platform.spec import PlatformSpec

PROMETHEUS_STACK = "kube-prometheus-stack"
LOAD_BALANCER_CONTROLLER = "aws-load-balancer-controller"
KEDA = "keda"
AFTER: Mapping[str, tuple[str, ...]] = {"dcgm-exporter": (PROMETHEUS_STACK,)}
"""Releases that use another's resource kinds: it has to be there first, and to go last."""
NEEDS_CLUSTER_NAMES = (LOAD_BALANCER_CONTROLLER, "karpenter", "cluster-autoscaler")


@dataclass(frozen=True, kw_only=True)
class ClusterNames:
    """What AWS calls the cluster, known at deploy time at the latest. None where no chart asks for it."""

    cluster_name: Any = None
    region: Any = None
    vpc_id: Any = None
    interruption_queue: Any = None
    """SQS queue of spot interruptions, for Karpenter; None = none."""


def release_values(spec: PlatformSpec, names: ClusterNames) -> dict[str, dict[str, Any]]:
    """Values of every release of the platform by its name, in the order they are to be made.

    Raises ValueError when a chart has to be told the cluster's name and nobody knows it.
    """
    name, region = names.cluster_name, names.region
    stack, autoscaler = spec.prometheus_stack, spec.autoscaler
    made: dict[str, dict[str, Any] | None] = {
        "nvidia-device-plugin": values.device_plugin(spec) if spec.device_plugin else None,
        "metrics-server": values.metrics_server(spec) if spec.metrics_server else None,
        "cluster-autoscaler": values.cluster_autoscaler(spec, cluster_name=name, region=region)
        if autoscaler == "cluster-autoscaler"
        else None,
        "karpenter": values.karpenter(spec, cluster_name=name, interruption_queue=names.interruption_queue)
        if autoscaler == "karpenter"
        else None,
        LOAD_BALANCER_CONTROLLER: values.load_balancer_controller(
            spec, cluster_name=name, region=region, vpc_id=names.vpc_id
        )
        if spec.load_balancer_controller
        else None,
        "external-secrets": values.external_secrets(spec) if spec.external_secrets else None,
        KEDA: values.keda(spec) if spec.keda else None,
        PROMETHEUS_STACK: values.kube_prometheus_stack(stack) if stack else None,
        "dcgm-exporter": values.dcgm_exporter(spec) if spec.dcgm_exporter else None,
    }
    chosen = {release: given for release, given in made.items() if given is not None}
    nameless = [release for release in NEEDS_CLUSTER_NAMES if release in chosen and name is None]
    if nameless:
        raise ValueError(f"{', '.join(nameless)}: the name of the EKS cluster is not known")
    return chosen


def namespace_of(release: str, spec: PlatformSpec) -> str:
    """Namespace a release lives in."""
    return charts()[release].namespace or spec.monitoring_namespace
