"""The component of what watches the models: monitors, alerts, dashboard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components import kube
from components.spec import Manifest


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What watches the models."""

    manifests: Mapping[str, Manifest]
    """By a short fixed key, as `infra.resolve_charts` collects them."""
    namespace: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()
    """What brings the resource kinds of the monitors."""


class Monitoring(pulumi.ComponentResource):
    """Monitors, alerts and dashboard of one stack, in the namespace of its models.

    Type token: llmserve:platform:Monitoring. Creates PodMonitors, a PrometheusRule and a ConfigMap for
    Grafana, as far as they are asked for. Protects nothing.
    """

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:platform:Monitoring", name, None, opts)
        for key, manifest in args.manifests.items():
            kube.register(
                f"{name}-{key}",
                kube.placed(manifest, args.namespace),
                pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
            )
        self.register_outputs({})
