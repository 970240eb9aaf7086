"""The component of one version of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components import kube
from components.serving.manifests import version_manifests
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
    ServiceAccount, NetworkPolicy and, where asked for, an autoscaler, a config map and a volume claim.
    Protects nothing.
    """

    url: str

    def __init__(self, name: str, args: ModelVersionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:serving:ModelVersion", name, None, opts)
        kube.register_all(self, name, version_manifests(args.spec), args.namespace, args.scaler_after)
        self.url = f"http://{args.spec.name}.{args.spec.namespace}"
        self.register_outputs({"url": self.url})
