"""The components of an IAM role with its permissions, for services of AWS and for pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import eks, iam

from components.aws import iam_documents
from components.aws.spec import PodIdentity


@dataclass(frozen=True, kw_only=True)
class RoleArgs:
    """What the role is made of."""

    role_name: str
    """Its name in the account."""
    trust: pulumi.Input[dict[str, Any]]
    """Document that says who may take it on."""
    policy: pulumi.Input[dict[str, Any]] | None = None
    """Document of its permissions; None = only the managed ones."""
    managed_policies: Sequence[str] = ()
    """ARNs of policies that AWS keeps."""


class Role(pulumi.ComponentResource):
    """An IAM role with one inline policy and the managed ones it needs.

    Type token: llmserve:aws:Role. Creates the role, its policy and its attachments. Protects nothing.
    """

    arn: pulumi.Output[str]
    """Known only when the permissions are there, so that whoever uses it has them."""
    name: pulumi.Output[str]

    def __init__(self, name: str, args: RoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Role", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            name, name=args.role_name, assume_role_policy=pulumi.Output.json_dumps(args.trust), opts=child
        )
        permissions: list[pulumi.Output[str]] = [
            iam.RolePolicyAttachment(
                f"{name}-{arn.rsplit('/', 1)[-1]}", role=role.name, policy_arn=arn, opts=child
            ).id
            for arn in args.managed_policies
        ]
        if args.policy is not None:
            document = pulumi.Output.json_dumps(args.policy)
            permissions.append(iam.RolePolicy(name, role=role.name, policy=document, opts=child).id)
        self.arn = pulumi.Output.all(role.arn, *permissions).apply(lambda values: str(values[0]))
        self.name = pulumi.Output.all(role.name, *permissions).apply(lambda values: str(values[0]))
        self.register_outputs({"arn": self.arn, "name": self.name})


@dataclass(frozen=True, kw_only=True)
class PodRoleArgs:
    """A role, and the pods that take it on."""

    cluster: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    role_name: str
    pods: PodIdentity
    policy: pulumi.Input[dict[str, Any]]
    """Document of its permissions."""


class PodRole(pulumi.ComponentResource):
    """An IAM role that pods take on by EKS Pod Identity.

    Type token: llmserve:aws:PodRole. Creates the role and an association per service account. Protects
    nothing.
    """

    associations: list[eks.PodIdentityAssociation]

    def __init__(self, name: str, args: PodRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:PodRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = Role(
            name,
            RoleArgs(
                role_name=args.role_name, trust=pod_trust(args.cluster_arn, args.pods), policy=args.policy
            ),
            child,
        )
        self.associations = [
            eks.PodIdentityAssociation(
                f"{name}-{account}",
                cluster_name=args.cluster,
                namespace=args.pods.namespace,
                service_account=account,
                role_arn=role.arn,
                opts=child,
            )
            for account in args.pods.service_accounts
        ]
        self.register_outputs({"role_arn": role.arn})


def pod_trust(cluster_arn: pulumi.Input[str], pods: PodIdentity) -> pulumi.Output[dict[str, Any]]:
    """Who may take a role on: these pods of the cluster, once its ARN is known."""
    return pulumi.Output.from_input(cluster_arn).apply(lambda arn: iam_documents.pod_trust(arn, pods))
