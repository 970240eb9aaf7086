"""Frozen specs of the AWS half: the only input of its pure functions. Made from the stack file by `infra`."""

from typing import Literal

from components.spec import Spec
from planner.eks import ImageName
from planner.quota import Capacity


class ZoneSubnets(Spec):
    """The three subnets of one availability zone, as CIDR blocks."""

    zone: str
    private: str
    """Nodes and pods."""
    public: str
    """Load balancers that face the internet, and NAT gateways."""
    intra: str
    """Interfaces of the control plane; no way out."""


class NetworkSpec(Spec):
    """A VPC to be made."""

    cidr: str
    subnets: tuple[ZoneSubnets, ...]
    region: str
    nat: Literal["none", "one", "per_zone"]
    interface_endpoints: tuple[str, ...]
    flow_log_days: int | None
    protect: bool

    @property
    def nat_zones(self) -> tuple[str, ...]:
        """Zones with a NAT gateway of their own."""
        zones = tuple(subnet.zone for subnet in self.subnets)
        return {"none": (), "one": zones[:1], "per_zone": zones}[self.nat]


class AddonSpec(Spec):
    """One core add-on of EKS."""

    name: str
    version: str
    before_nodes: bool
    service_account: str | None
    configuration: dict[str, object]
    """Values of the add-on's own schema; empty = its defaults."""


class ClusterSpec(Spec):
    """An EKS control plane."""

    name: str
    region: str
    kubernetes_version: str
    service_cidr: str
    public_access_cidrs: tuple[str, ...]
    admin_principals: tuple[str, ...]
    log_types: tuple[str, ...]
    log_days: int
    upgrade_policy: Literal["standard", "extended"]
    deletion_protection: bool
    protect: bool
    addons: tuple[AddonSpec, ...]


class TaintSpec(Spec):
    """A taint as EKS spells it."""

    key: str
    value: str
    effect: Literal["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"]


class PoolSpec(Spec):
    """Nodes of one kind."""

    name: str
    cluster: str
    kubernetes_version: str
    instance_types: tuple[str, ...]
    """The first is the pool's own; more only for spot."""
    min: int
    max: int
    gpus: int
    """GPUs of a node; 0 = a CPU pool."""
    nvme: bool
    """The type has local NVMe, which then holds images, logs and pods' volumes."""
    efa_interfaces: int
    """Network cards with EFA; 0 = plain networking, and no placement group."""
    capacity: Capacity
    reservation_id: str | None
    zones: tuple[str, ...]
    image: ImageName
    image_release: str | None
    disk_gib: int
    disk_iops: int
    disk_mib_per_second: int
    labels: dict[str, str]
    taints: tuple[TaintSpec, ...]
    karpenter: bool
    """Karpenter makes the nodes; else EKS does, as a managed node group."""
    node_repair: bool
    tags: dict[str, str]
    """Tags of what the nodes start with; the provider's default tags do not reach those."""


class BucketSpec(Spec):
    """The bucket for weights."""

    name: str
    kms_key_arn: str | None
    old_versions_days: int
    protect: bool


class PodIdentity(Spec):
    """Pods that take on an IAM role, by their service accounts."""

    namespace: str
    service_accounts: tuple[str, ...]
