"""The component of a pool whose nodes EKS makes."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, eks

from components.aws import pool_arguments
from components.aws.spec import PoolSpec


@dataclass(frozen=True, kw_only=True)
class PoolArgs:
    """What the pool is made of."""

    spec: PoolSpec
    cluster: pulumi.Input[str]
    role_arn: pulumi.Input[str]
    """Of the nodes."""
    subnets: Sequence[pulumi.Input[str]]
    """Of the pool's zones."""
    security_group: pulumi.Input[str]
    """Of the cluster; named only where interfaces are."""
    after: Sequence[pulumi.Resource]
    """Add-ons without which a node never becomes ready."""


class Pool(pulumi.ComponentResource):
    """A managed node group.

    Type token: llmserve:aws:Pool. Creates the node group, its launch template and, with EFA, a placement
    group. Protects nothing: nodes come and go.
    """

    node_group: eks.NodeGroup

    def __init__(self, name: str, args: PoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Pool", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = args.spec
        placement = ec2.PlacementGroup(name, strategy="cluster", opts=child) if spec.efa_interfaces else None
        template = ec2.LaunchTemplate(
            name,
            **pool_arguments.launch_template(
                spec,
                security_group=args.security_group,
                placement_group=placement.name if placement else None,
            ),
            opts=child,
        )
        self.node_group = eks.NodeGroup(
            name,
            **pool_arguments.node_group(
                spec,
                cluster=args.cluster,
                role_arn=args.role_arn,
                subnets=args.subnets,
                template_id=template.id,
                version=template.latest_version.apply(str),
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.after),
                ignore_changes=["scalingConfig.desiredSize"],  # the cluster autoscaler owns it
            ),
        )
        self.register_outputs({"node_group": self.node_group.node_group_name})
