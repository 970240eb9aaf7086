"""Wires the AWS half: network, control plane, identities, pools, bucket, in the order of their needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.provider import Provider as AwsProvider

from components.aws import iam_documents
from components.aws.addons import Addons, AddonsArgs
from components.aws.cluster import Cluster, ClusterArgs
from components.aws.identity import PodRole, PodRoleArgs, Role, RoleArgs, pod_trust
from components.aws.karpenter import Karpenter, KarpenterArgs
from components.aws.naming import SYSTEM_NAMESPACE, RoleName, role_name
from components.aws.network import Network, NetworkArgs, NetworkIds
from components.aws.pool import Pool, PoolArgs
from components.aws.spec import ClusterSpec, PodIdentity, PoolSpec
from components.aws.weights import Weights, WeightsArgs
from components.platform import service_accounts
from components.platform.service_accounts import PlatformServiceAccount
from components.spec import VersionSpec
from infra.resolve_charts import cluster_facts, platform_spec
from infra.resolve_cluster import bucket_spec, cluster_spec, network_spec, pool_specs
from infra.secret_keys import secret_names
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.network import ExistingNetworkSettings
from infra.stackfile.stack import StackSettings

_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""What nodes themselves need (EKS User Guide, node IAM role); the CNI has a role of its own."""
_ADDON_ROLES: Mapping[str, tuple[RoleName, str]] = {
    "vpc-cni": ("vpc-cni", "AmazonEKS_CNI_Policy"),
    "aws-ebs-csi-driver": ("ebs-csi", "AmazonEBSCSIDriverPolicyV2"),
}
"""Roles of add-ons, and the policy AWS keeps for each; V2 is held to volumes the driver itself made."""


@dataclass(frozen=True, kw_only=True)
class EksCluster:
    """A cluster of ours as the rest of the program needs it."""

    region: str
    cluster: Cluster
    network: NetworkIds
    karpenter: Karpenter | None
    pools: Sequence[PoolSpec]
    weights: Weights | None
    needs: Sequence[pulumi.Resource]
    """What pods need and no value carries: nodes, add-ons, identities."""


def build_eks(
    settings: StackSettings,
    chosen: EksClusterSettings,
    versions: Sequence[VersionSpec],
    provider: AwsProvider,
) -> EksCluster:
    """Register everything in AWS that the stack file asks for."""
    opts = pulumi.ResourceOptions(providers=[provider])
    spec, pools, bucket = cluster_spec(chosen), pool_specs(settings, chosen), bucket_spec(chosen)
    network = _network(chosen, opts)
    cluster = Cluster("cluster", ClusterArgs(spec=spec, subnets=list(network.intra_subnets.values())), opts)
    nodes = Role(
        "nodes",
        RoleArgs(
            role_name=role_name(spec.name, "nodes"),
            trust=iam_documents.service_trust("ec2.amazonaws.com"),
            managed_policies=[iam_documents.managed_policy(spec.region, name) for name in _NODE_POLICIES],
        ),
        opts,
    )
    roles = _addon_roles(spec, cluster, opts)
    first = _addons("addons-first", spec, cluster, roles, (), opts)
    groups = [
        Pool(
            f"pool-{pool.name}",
            PoolArgs(
                spec=pool,
                cluster=cluster.name,
                role_arn=nodes.arn,
                subnets=[network.private_subnets[zone] for zone in pool.zones],
                security_group=cluster.security_group_id,
                after=first.made,
            ),
            opts,
        ).node_group
        for pool in pools
        if not pool.karpenter
    ]
    rest = _addons("addons", spec, cluster, roles, groups, opts)
    weights = Weights("weights", WeightsArgs(spec=bucket), opts) if bucket else None
    karpenter = None
    if chosen.autoscaler == "karpenter":
        karpenter = Karpenter("karpenter", KarpenterArgs(cluster=spec.name, node_role=nodes.name), opts)
    identities = [
        association
        for name, pods, places in _workloads(settings, chosen, versions, cluster, nodes, karpenter, weights)
        for association in _pod_role(spec, cluster, name, pods, places, opts).associations
    ]
    return EksCluster(
        region=chosen.region,
        cluster=cluster,
        network=network,
        karpenter=karpenter,
        pools=pools,
        weights=weights,
        needs=[*cluster.access, *groups, *first.made, *rest.made, *identities],
    )


def _network(chosen: EksClusterSettings, opts: pulumi.ResourceOptions) -> NetworkIds:
    spec = network_spec(chosen)
    if spec is not None:
        return Network("network", NetworkArgs(spec=spec, cluster=chosen.name), opts).ids
    existing = chosen.network
    assert isinstance(existing, ExistingNetworkSettings)  # noqa: S101 - the only other kind
    return NetworkIds(
        vpc_id=existing.vpc_id,
        private_subnets=existing.private_subnets,
        intra_subnets=existing.intra_subnets or existing.private_subnets,
    )


def _addon_roles(
    spec: ClusterSpec, cluster: Cluster, opts: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    roles = {}
    for addon in spec.addons:
        if addon.service_account is not None:
            role, policy = _ADDON_ROLES[addon.name]
            pods = PodIdentity(namespace=SYSTEM_NAMESPACE, service_accounts=(addon.service_account,))
            args = RoleArgs(
                role_name=role_name(spec.name, role),
                trust=pod_trust(cluster.arn, pods),
                managed_policies=[iam_documents.managed_policy(spec.region, policy)],
            )
            roles[addon.name] = Role(role, args, opts).arn
    return roles


def _addons(
    name: str,
    spec: ClusterSpec,
    cluster: Cluster,
    roles: Mapping[str, pulumi.Input[str]],
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Addons:
    """The add-ons that nodes need, or, after the nodes, those that need nodes."""
    addons = [addon for addon in spec.addons if addon.before_nodes is not bool(after)]
    return Addons(name, AddonsArgs(cluster=cluster.name, addons=addons, roles=roles, after=after), opts)


_Places = Mapping[str, pulumi.Input[str] | list[str]]


def _workloads(
    settings: StackSettings,
    chosen: EksClusterSettings,
    versions: Sequence[VersionSpec],
    cluster: Cluster,
    nodes: Role,
    karpenter: Karpenter | None,
    weights: Weights | None,
) -> Iterator[tuple[RoleName, PodIdentity, _Places]]:
    """Each workload that calls AWS: its role, its pods, and the ARNs its policy is held to.

    The gateway is not among them: it calls nothing in AWS.
    """
    if karpenter is not None:
        places = {"queue": karpenter.queue_arn, "node_role": nodes.arn, "cluster_arn": cluster.arn}
        yield "karpenter", _chart(service_accounts.KARPENTER), places
    elif chosen.autoscaler == "cluster-autoscaler":
        yield "cluster-autoscaler", _chart(service_accounts.CLUSTER_AUTOSCALER), {}
    platform = platform_spec(settings, cluster_facts(settings))
    if platform.load_balancer_controller:
        yield "load-balancer-controller", _chart(service_accounts.AWS_LOAD_BALANCER_CONTROLLER), {}
    if platform.external_secrets:
        yield (
            "external-secrets",
            _chart(service_accounts.EXTERNAL_SECRETS),
            {"secrets": secret_names(settings)},
        )
    readers = tuple(spec.name for spec in versions if spec.engine.model.startswith("s3://"))
    if weights is not None and readers:
        key = chosen.weights_bucket and chosen.weights_bucket.kms_key_arn
        pods = PodIdentity(namespace=settings.namespace, service_accounts=readers)
        yield "weights-reader", pods, {"bucket": weights.arn, **({"key": key} if key else {})}


def _chart(account: PlatformServiceAccount) -> PodIdentity:
    return PodIdentity(namespace=account.namespace, service_accounts=(account.name,))


def _pod_role(
    spec: ClusterSpec,
    cluster: Cluster,
    name: RoleName,
    pods: PodIdentity,
    places: _Places,
    opts: pulumi.ResourceOptions,
) -> PodRole:
    partition = iam_documents.partition(spec.region)
    known = {"partition": partition, "region": spec.region, "cluster": spec.name}
    parts = [name, "weights-decrypter"] if "key" in places else [name]
    policy = pulumi.Output.all(**known, **places).apply(
        lambda filled: iam_documents.merged(*(iam_documents.policy(part, **filled) for part in parts))
    )
    return PodRole(
        name,
        PodRoleArgs(
            cluster=cluster.name,
            cluster_arn=cluster.arn,
            role_name=role_name(spec.name, name),
            pods=pods,
            policy=policy,
        ),
        opts,
    )
