"""The component of the namespace everything lives in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components import kube
from components.external_secrets import RemoteValue, secret_store
from components.namespace_manifests import namespace, namespace_rules
from components.spec import Manifest, NamespaceSpec


@dataclass(frozen=True, kw_only=True)
class NamespaceArgs:
    """What the namespace is made of."""

    spec: NamespaceSpec
    host_paths: bool
    """Whether a pod uses a folder of its node, which pod security then has to allow."""
    readiness_gates: bool
    """Whether an AWS load balancer holds new pods back until it knows them."""
    model_tokens: Mapping[str, pulumi.Input[str] | RemoteValue]
    """Tokens for gated weights by name of their Secret."""
    secrets_region: str | None = None
    """Region where External Secrets Operator reads the values of Secrets; None = the program has them."""
    secrets_after: Sequence[pulumi.Resource] = ()
    """What brings the operator's kinds."""


class Namespace(pulumi.ComponentResource):
    """The namespace with what holds for everything in it.

    Type token: llmserve:platform:Namespace. Creates Namespace, ResourceQuota, the NetworkPolicy that denies
    what no other allows, a Secret per model token, and a SecretStore where Secrets come from AWS; all else in
    the namespace waits for it. Protects nothing: no data lives here.
    """

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:platform:Namespace", name, None, opts)
        manifest = namespace(args.spec, host_paths=args.host_paths, readiness_gates=args.readiness_gates)
        own = kube.register(name, manifest, pulumi.ResourceOptions(parent=self))
        self.namespace = kube.name_of(own)
        if args.secrets_region is not None:
            store = kube.register(
                f"{name}-secret-store",
                kube.placed(secret_store(args.spec.name, args.secrets_region), self.namespace),
                pulumi.ResourceOptions(parent=self, depends_on=list(args.secrets_after)),
            )
            self.namespace = kube.namespace_of(store)
        tokens = {secret: _token(secret, token) for secret, token in sorted(args.model_tokens.items())}
        kube.register_all(self, name, {**namespace_rules(args.spec), **tokens}, self.namespace)
        self.register_outputs({"namespace": self.namespace})


def _token(name: str, token: pulumi.Input[str] | RemoteValue) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "stringData": {"token": token},
    }
