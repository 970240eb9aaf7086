"""The component of the EKS control plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, eks, kms

from components.aws import iam_documents
from components.aws.identity import Role, RoleArgs
from components.aws.kubeconfig import kubeconfig
from components.aws.naming import role_name
from components.aws.spec import ClusterSpec

_ADMIN_POLICY = "AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What the control plane is made of."""

    spec: ClusterSpec
    subnets: Sequence[pulumi.Input[str]]
    """Where its network interfaces lie; in two zones at least."""


class Cluster(pulumi.ComponentResource):
    """An EKS control plane that keeps Kubernetes' secrets encrypted and its logs for a set time.

    Type token: llmserve:aws:Cluster. Creates the cluster, its role, a KMS key, the log group and an access
    entry per administrator. Protects cluster, key and log group, if asked. Whoever makes the cluster
    administers it too.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """The group EKS makes; nodes of node groups are in it."""
    kubeconfig: pulumi.Output[str]
    """Secret: JSON that asks `aws eks get-token` for a token."""
    access: list[pulumi.Resource]
    """What must be there before administrators other than the maker can do anything."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Cluster", name, None, opts)
        spec = args.spec
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=spec.protect)
        role = Role(
            f"{name}-role",
            RoleArgs(
                role_name=role_name(spec.name, "cluster"),
                trust=iam_documents.service_trust("eks.amazonaws.com"),
                managed_policies=[iam_documents.managed_policy(spec.region, "AmazonEKSClusterPolicy")],
            ),
            child,
        )
        key = kms.Key(
            f"{name}-secrets",
            description=f"Kubernetes secrets of {spec.name}",
            enable_key_rotation=True,
            opts=kept,
        )
        logs = cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/aws/eks/{spec.name}/cluster",  # where EKS writes; made by EKS it would be kept for ever
            retention_in_days=spec.log_days,
            opts=kept,
        )
        cluster = eks.Cluster(
            name,
            name=spec.name,  # people, kubeconfigs and the log group know it by this name
            role_arn=role.arn,
            version=spec.kubernetes_version,
            access_config={
                "authentication_mode": "API",
                "bootstrap_cluster_creator_admin_permissions": True,
            },
            bootstrap_self_managed_addons=False,  # ours come as EKS add-ons with pinned versions
            deletion_protection=spec.deletion_protection,
            enabled_cluster_log_types=list(spec.log_types),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn), resources=["secrets"]
            ),
            kubernetes_network_config={"service_ipv4_cidr": spec.service_cidr},
            upgrade_policy={"support_type": spec.upgrade_policy.upper()},
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=list(args.subnets),
                endpoint_private_access=True,
                endpoint_public_access=bool(spec.public_access_cidrs),
                public_access_cidrs=list(spec.public_access_cidrs) or None,
            ),
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[logs])),
        )
        self.access = [self._admin(name, cluster, spec, arn) for arn in spec.admin_principals]
        self.name, self.arn = cluster.name, cluster.arn
        self.security_group_id = cluster.vpc_config.apply(
            lambda config: config.cluster_security_group_id or ""
        )
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.json_dumps(
                pulumi.Output.all(cluster.endpoint, cluster.certificate_authority.data).apply(
                    lambda known: kubeconfig(spec.name, spec.region, known[0], known[1])
                )
            )
        )
        self.register_outputs({"name": self.name, "arn": self.arn, "kubeconfig": self.kubeconfig})

    def _admin(self, name: str, cluster: eks.Cluster, spec: ClusterSpec, arn: str) -> pulumi.Resource:
        person = arn.rsplit("/", 1)[-1]
        entry = eks.AccessEntry(
            f"{name}-{person}",
            cluster_name=cluster.name,
            principal_arn=arn,
            type="STANDARD",
            opts=pulumi.ResourceOptions(parent=self),
        )
        policy = f"arn:{iam_documents.partition(spec.region)}:eks::aws:cluster-access-policy/{_ADMIN_POLICY}"
        return eks.AccessPolicyAssociation(
            f"{name}-{person}",
            cluster_name=cluster.name,
            principal_arn=entry.principal_arn,
            policy_arn=policy,
            access_scope={"type": "cluster"},
            opts=pulumi.ResourceOptions(parent=self),
        )
