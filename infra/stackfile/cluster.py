"""The cluster of a stack: one that is there, or one on EKS that the program makes."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from infra.stackfile.base import PositiveInt, Settings
from infra.stackfile.network import NetworkSettings, NewNetworkSettings

LogType = Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]


class ExistingClusterSettings(Settings):
    """A cluster you own, by its kubeconfig context: EKS, kind, k3s, the laptop's."""

    kind: Literal["existing"] = "existing"
    """`existing`: nothing is made but Kubernetes objects."""
    context: str
    """Context of the kubeconfig ($KUBECONFIG or ~/.kube/config)."""
    storage_class: str | None = None
    """StorageClass of `cache: {kind: pvc}`; None = the cluster's default."""


class WeightsBucketSettings(Settings):
    """A bucket for weights; versions read from it with `model: s3://<name>/...`."""

    name: str
    """Name of the bucket, world-wide unique: uploads and the models' addresses use it."""
    kms_key_arn: str | None = None
    """KMS key that encrypts it; None = keys of S3."""
    old_versions_days: PositiveInt = 30
    """How long replaced or deleted objects can be brought back, days."""


class EksClusterSettings(Settings):
    """A cluster on Amazon EKS with its network, identities and node pools."""

    kind: Literal["eks"]
    """`eks`: the program makes the cluster and everything below it."""
    name: str
    """Name of the cluster, and start of the names of its roles."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+){1,2}-[0-9]$")]
    """AWS region, as in us-west-2."""
    account_id: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None
    """The only AWS account that may be touched; None = whichever the credentials lead to."""
    kubernetes_version: Annotated[str, Field(pattern=r"^1\.[0-9]{2}$")]
    """Version of the control plane, as in "1.35"."""
    availability_zones: tuple[str, ...]
    """Zones by name, in an order that stays: a new one is added at the end."""
    network: NetworkSettings = Field(default_factory=NewNetworkSettings)
    """A VPC of its own, or an existing one by `vpc_id`."""
    service_cidr: str = "172.20.0.0/16"
    """Addresses of Services; fixed for the cluster's life."""
    public_access_cidrs: tuple[str, ...] = ()
    """Networks that reach the API server from outside; empty = only the VPC does."""
    admin_principals: tuple[str, ...] = ()
    """ARNs of IAM roles and users that administer the cluster, besides the one that makes it."""
    log_types: tuple[LogType, ...] = ("api", "audit", "authenticator")
    """Logs of the control plane that are kept."""
    log_days: PositiveInt = 90
    """How long they are kept, days."""
    upgrade_policy: Literal["standard", "extended"] = "standard"
    """At the end of standard support: be upgraded, or stay and pay more."""
    deletion_protection: bool = False
    """EKS refuses to delete the cluster while this is set."""
    protect_data: bool = True
    """Pulumi refuses to delete what holds data: cluster, keys, logs, weights bucket."""
    addons: dict[str, str] = Field(default_factory=dict)
    """Versions of core add-ons other than the pinned ones, as in {coredns: v1.14.2-eksbuild.4}."""
    autoscaler: Literal["cluster-autoscaler", "karpenter", "none"] = "cluster-autoscaler"
    """Who adds and removes nodes. karpenter: of GPU pools, which then have no node groups."""
    vcpu_quotas: dict[str, int] = Field(default_factory=dict)
    """vCPUs AWS allows by code of the quota, as in {L-DB2E81BA: 64}; pools that need more are refused."""
    weights_bucket: WeightsBucketSettings | None = None
    """Bucket for weights; None = weights come from elsewhere."""
    storage_class: str | None = None
    """StorageClass of `cache: {kind: pvc}`, one that many nodes can mount (EFS, FSx)."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Further tags of everything in AWS, as in {cost-center: "4711"}."""


def _kind(value: Any) -> str:
    """The tag of a value's kind; without one it is an existing cluster."""
    if isinstance(value, dict):
        return str(value.get("kind", "existing"))
    return str(getattr(value, "kind", "existing"))


ClusterSettings = Annotated[
    Annotated[ExistingClusterSettings, Tag("existing")] | Annotated[EksClusterSettings, Tag("eks")],
    Discriminator(_kind),
]
