"""The component of core add-ons, those that nodes need or those that need nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks

from components.aws.spec import AddonSpec


@dataclass(frozen=True, kw_only=True)
class AddonsArgs:
    """Which add-ons, and the roles they take on."""

    cluster: pulumi.Input[str]
    addons: Sequence[AddonSpec]
    roles: Mapping[str, pulumi.Input[str]]
    """ARN of the role by add-on, for those that call AWS."""
    after: Sequence[pulumi.Resource] = ()
    """What must be there before, such as nodes."""


class Addons(pulumi.ComponentResource):
    """Add-ons of EKS at pinned versions.

    Type token: llmserve:aws:Addons. Creates an EKS add-on each, with its pod identity. Protects nothing.
    """

    made: list[eks.Addon]

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Addons", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        self.made = [self._addon(name, args, addon, child) for addon in args.addons]
        self.register_outputs({})

    def _addon(
        self, name: str, args: AddonsArgs, addon: AddonSpec, opts: pulumi.ResourceOptions
    ) -> eks.Addon:
        identities = (
            [
                eks.AddonPodIdentityAssociationArgs(
                    role_arn=args.roles[addon.name], service_account=addon.service_account
                )
            ]
            if addon.service_account is not None
            else None
        )
        return eks.Addon(
            f"{name}-{addon.name}",
            cluster_name=args.cluster,
            addon_name=addon.name,
            addon_version=addon.version,
            configuration_values=pulumi.Output.json_dumps(addon.configuration)
            if addon.configuration
            else None,
            pod_identity_associations=identities,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=opts,
        )
