"""The components of Karpenter: what it needs of AWS, and the pools it makes nodes for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, iam, sqs

from components import kube
from components.aws import iam_documents
from components.aws.karpenter_manifests import node_class, node_pool
from components.aws.spec import PoolSpec

_EVENTS = {
    "health": ("aws.health", "AWS Health Event"),
    "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
    "reservation": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
}
"""Events that tell of nodes about to go: source and kind (Karpenter's cloudformation.md, 0086fec)."""
_MESSAGE_SECONDS = 300
"""How long a message is worth reading (same)."""


@dataclass(frozen=True, kw_only=True)
class KarpenterArgs:
    """What Karpenter works with."""

    cluster: str
    """Name; the queue has the same, as Karpenter's chart expects."""
    node_role: pulumi.Input[str]
    """Name of the nodes' role."""


class Karpenter(pulumi.ComponentResource):
    """What Karpenter needs of AWS beside its role.

    Type token: llmserve:aws:Karpenter. Creates the nodes' instance profile, a queue, and rules that put
    events on nodes about to go into it. Protects nothing.
    """

    instance_profile: pulumi.Output[str]
    queue: pulumi.Output[str]
    """Name of the queue."""
    queue_arn: pulumi.Output[str]

    def __init__(self, name: str, args: KarpenterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Karpenter", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        profile = iam.InstanceProfile(
            f"{name}-nodes", name=f"{args.cluster}-nodes", role=args.node_role, opts=child
        )
        queue = sqs.Queue(
            name,
            name=args.cluster,
            message_retention_seconds=_MESSAGE_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        rules = []
        for key, (source, kind) in _EVENTS.items():
            pattern = json.dumps({"source": [source], "detail-type": [kind]})
            rule = cloudwatch.EventRule(f"{name}-{key}", event_pattern=pattern, opts=child)
            cloudwatch.EventTarget(f"{name}-{key}", rule=rule.name, arn=queue.arn, opts=child)
            rules.append(rule.arn)
        sqs.QueuePolicy(
            name,
            queue_url=queue.id,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.all(queue.arn, *rules).apply(
                    lambda arns: iam_documents.queue_policy(arns[0], arns[1:])
                )
            ),
            opts=child,
        )
        self.instance_profile, self.queue, self.queue_arn = profile.name, queue.name, queue.arn
        self.register_outputs({"queue": self.queue})


@dataclass(frozen=True, kw_only=True)
class KarpenterPoolArgs:
    """A pool and where its nodes come to lie."""

    spec: PoolSpec
    instance_profile: pulumi.Input[str]
    security_group: pulumi.Input[str]
    subnets: Mapping[str, pulumi.Input[str]]
    """By availability zone."""
    after: Sequence[pulumi.Resource]
    """Karpenter's chart, which brings the kinds of these objects."""


class KarpenterPool(pulumi.ComponentResource):
    """A pool whose nodes Karpenter makes.

    Type token: llmserve:aws:KarpenterPool. Creates an EC2NodeClass and a NodePool. Protects nothing.
    """

    def __init__(
        self, name: str, args: KarpenterPoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llmserve:aws:KarpenterPool", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        made = kube.register(
            f"{name}-class",
            node_class(
                args.spec,
                instance_profile=args.instance_profile,
                security_group=args.security_group,
                subnets=[args.subnets[zone] for zone in args.spec.zones],
            ),
            child,
        )
        # nodes are drained before the class they are made of goes
        kube.register(
            f"{name}-nodes",
            node_pool(args.spec),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[made])),
        )
        self.register_outputs({})
