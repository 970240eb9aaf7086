"""The component of the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi

from components import kube
from components.external_secrets import RemoteValue
from components.gateway.keys import keys_document, keys_template
from components.gateway.manifests import gateway_manifests, provider_secret, tenant_keys_secret
from components.gateway.model import GatewaySpec


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """What the gateway is made of."""

    spec: GatewaySpec
    namespace: pulumi.Input[str]
    secret_env: Mapping[str, pulumi.Input[str] | RemoteValue]
    """Master key, provider keys and the like by environment variable."""
    tenant_keys: pulumi.Output[dict[str, str]] | RemoteValue
    """Clear key by tenant (elsewhere: as a JSON object); only hashes reach the gateway."""
    pods_after: Sequence[pulumi.Resource] = ()
    """What its new pods ask from their first request on."""


class Gateway(pulumi.ComponentResource):
    """The one door to all models.

    Type token: llmserve:gateway:Gateway. Creates Deployment, Service, HorizontalPodAutoscaler,
    PodDisruptionBudget, ServiceAccount, NetworkPolicy, a config map named by its content, a Secret with the
    hashed tenant keys (changed in place, read again without a restart) and a Secret with the provider keys
    (replaced on change, which rolls the pods). Protects nothing.
    """

    url: str

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:gateway:Gateway", name, None, opts)
        spec = args.spec
        environment = kube.register(
            f"{name}-environment",
            kube.placed(provider_secret(spec, args.secret_env), args.namespace),
            pulumi.ResourceOptions(parent=self, replace_on_changes=["stringData", "spec"]),
        )
        keys = args.tenant_keys
        document = (
            replace(keys, template=keys_template(spec.model))
            if isinstance(keys, RemoteValue)
            else keys.apply(lambda clear: keys_document(spec.model, clear))
        )
        manifests = {
            "tenant-keys": tenant_keys_secret(spec, document),
            **gateway_manifests(spec, environment_secret=kube.name_of(environment)),
        }
        kube.register_all(self, name, manifests, args.namespace, pods_after=args.pods_after)
        self.url = f"http://{spec.name}.{spec.namespace}:{spec.service_port}"
        self.register_outputs({"url": self.url})
