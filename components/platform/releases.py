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
KARPENTER = "karpenter"
EXTERNAL_SECRETS = "external-secrets"
AFTER: Mapping[str, tuple[str, ...]] = {"dcgm-exporter": (PROMETHEUS_STACK,)}
"""Releases that use another's resource kinds: it has to be there first, and to go last."""
NEEDS_CLUSTER_NAMES = (LOAD_BALANCER_CONTROLLER, KARPENTER, "cluster-autoscaler")


@dataclass(frozen=True, kw_only=True)
class ClusterNames:
    """What AWS calls the cluster, known at deploy time at the latest. None where no chart asks for it."""

    cluster_name: Any = None
    region: Any = None
    vpc_id: Any = None
    interruption_queue: Any = None
    """SQS queue of spot interruptions, for Karpenter; None = none."""


def release_names(spec: PlatformSpec) -> tuple[str, ...]:
    """Releases of the platform, in the order they are to be made."""
    wanted = {
        "nvidia-device-plugin": spec.device_plugin,
        "metrics-server": spec.metrics_server,
        "cluster-autoscaler": spec.autoscaler == "cluster-autoscaler",
        KARPENTER: spec.autoscaler == "karpenter",
        LOAD_BALANCER_CONTROLLER: spec.load_balancer_controller,
        EXTERNAL_SECRETS: spec.external_secrets,
        KEDA: spec.keda,
        PROMETHEUS_STACK: spec.prometheus_stack is not None,
        "dcgm-exporter": spec.dcgm_exporter,
    }
    return tuple(release for release, on in wanted.items() if on)


def release_values(spec: PlatformSpec, names: ClusterNames) -> dict[str, dict[str, Any]]:
    """Values of every release of the platform by its name, in the order they are to be made.

    Raises ValueError when a chart has to be told the cluster's name and nobody knows it.
    """
    chosen = release_names(spec)
    nameless = [
        release for release in NEEDS_CLUSTER_NAMES if release in chosen and names.cluster_name is None
    ]
    if nameless:
        raise ValueError(f"{', '.join(nameless)}: the name of the EKS cluster is not known")
    return {release: _values(release, spec, names) for release in chosen}


def _values(release: str, spec: PlatformSpec, names: ClusterNames) -> dict[str, Any]:
    name, region = names.cluster_name, names.region
    match release:
        case "nvidia-device-plugin":
            return values.device_plugin(spec)
        case "dcgm-exporter":
            return values.dcgm_exporter(spec)
        case "kube-prometheus-stack" if spec.prometheus_stack:
            return values.kube_prometheus_stack(spec.prometheus_stack)
        case "aws-load-balancer-controller":
            return values.load_balancer_controller(
                spec, cluster_name=name, region=region, vpc_id=names.vpc_id
            )
        case "keda":
            return values.keda(spec)
        case "metrics-server":
            return values.metrics_server(spec)
        case "karpenter":
            return values.karpenter(spec, cluster_name=name, interruption_queue=names.interruption_queue)
        case "cluster-autoscaler":
            return values.cluster_autoscaler(spec, cluster_name=name, region=region)
        case "external-secrets":
            return values.external_secrets(spec)
    raise ValueError(f"{release} is no release of the platform")


def namespace_of(release: str, spec: PlatformSpec) -> str:
    """Namespace a release lives in."""
    return charts()[release].namespace or spec.monitoring_namespace
