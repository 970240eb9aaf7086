"""The component of one version of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components import kube
from components.serving.manifests import version_manifests
from components.serving.router_manifests import router_manifests
from components.serving.router_pod import router_name
from components.spec import VersionSpec


@dataclass(frozen=True, kw_only=True)
class ModelVersionArgs:
    """What a version is made of."""

    spec: VersionSpec
    namespace: pulumi.Input[str]
    scaler_after: Sequence[pulumi.Resource] = ()
    """What brings the kind of its autoscaler, where that is not Kubernetes' own."""


class ModelVersion(pulumi.ComponentResource):
    """One version of a model, addressed by its own Service whether it has traffic or not.

    Type token: llmserve:serving:ModelVersion. Creates Deployment, Service, PodDisruptionBudget,
    ServiceAccount, NetworkPolicy and, where asked for, an autoscaler, a config map, a volume claim and a
    router. Protects nothing.
    """

    url: str
    door: Sequence[pulumi.Resource]
    """What must be there before the gateway asks this version: its router, if it has one."""

    def __init__(self, name: str, args: ModelVersionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:serving:ModelVersion", name, None, opts)
        spec = args.spec
        made = kube.register_all(self, name, version_manifests(spec), args.namespace, args.scaler_after)
        self.door = ()
        if spec.router:
            # it is ready once it has found a ready replica, which may take as long as the model loads
            routed = kube.register_all(
                self,
                router_name(spec.name),
                router_manifests(spec, spec.router),
                args.namespace,
                pods_after=[made["deployment"]],
            )
            self.door = (routed["deployment"],)
        self.url = f"http://{spec.name}.{spec.namespace}"
        self.register_outputs({"url": self.url})
