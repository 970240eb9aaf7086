"""The component of the stack's own Prometheus."""

from dataclasses import dataclass

import pulumi

from components import kube
from components.prometheus_config import PORT
from components.prometheus_manifests import NAME, prometheus_manifests
from components.spec import PrometheusSpec


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """What it is made of."""

    spec: PrometheusSpec
    namespace: pulumi.Input[str]


class Prometheus(pulumi.ComponentResource):
    """A small Prometheus that scrapes this stack, for clusters that have none.

    Type token: llmserve:platform:Prometheus. Creates Deployment, Service, ServiceAccount, Role, RoleBinding,
    NetworkPolicy, a config map named by its content and, where asked for, a volume claim. Protects nothing:
    what it holds are a few hours of metrics.
    """

    url: str

    def __init__(self, name: str, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:platform:Prometheus", name, None, opts)
        kube.register_all(self, name, prometheus_manifests(args.spec), args.namespace)
        self.url = f"http://{NAME}.{args.spec.namespace}.svc:{PORT}"
        self.register_outputs({"url": self.url})
