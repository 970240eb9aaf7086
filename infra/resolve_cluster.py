"""From the stack file to the specs of the AWS half, and to the sums the planner makes of it. Pure."""

from components import naming
from components.aws.spec import AddonSpec, BucketSpec, ClusterSpec, NetworkSpec, PoolSpec, TaintSpec
from components.aws.subnets import zone_subnets
from infra.resolve_charts import cluster_facts, has_alb, platform_spec
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.network import NewNetworkSettings
from infra.stackfile.pools import PoolSettings
from infra.stackfile.stack import StackSettings
from planner.capacity import PoolCapacity
from planner.catalogue import catalogue
from planner.cluster_cost import FREE_IOPS, FREE_MIB_PER_SECOND, ClusterParts, PoolParts
from planner.eks import addon_versions, core_addons

FAST_IOPS, FAST_MIB_PER_SECOND = 4000, 1000
"""A volume that images of engines are unpacked on (chrismld's node class with SOCI)."""
ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
"""Tells the cluster autoscaler to wait for a new node's GPUs (kubernetes/autoscaler, AWS README)."""


def network_spec(cluster: EksClusterSettings) -> NetworkSpec | None:
    """The VPC to be made; None where there is one. Raises ValueError where its addresses do not suffice."""
    network = cluster.network
    if not isinstance(network, NewNetworkSettings):
        return None
    return NetworkSpec(
        cidr=network.cidr,
        subnets=zone_subnets(network.cidr, cluster.availability_zones),
        region=cluster.region,
        nat=network.nat,
        interface_endpoints=network.interface_endpoints,
        flow_log_days=network.flow_log_days,
        protect=cluster.protect_data,
    )


def cluster_spec(cluster: EksClusterSettings) -> ClusterSpec:
    """The control plane with its core add-ons."""
    return ClusterSpec(
        name=cluster.name,
        region=cluster.region,
        kubernetes_version=cluster.kubernetes_version,
        service_cidr=cluster.service_cidr,
        public_access_cidrs=cluster.public_access_cidrs,
        admin_principals=cluster.admin_principals,
        log_types=cluster.log_types,
        log_days=cluster.log_days,
        upgrade_policy=cluster.upgrade_policy,
        deletion_protection=cluster.deletion_protection,
        protect=cluster.protect_data,
        addons=addon_specs(cluster),
    )


def addon_specs(cluster: EksClusterSettings) -> tuple[AddonSpec, ...]:
    """Core add-ons whose version is known, from the stack file or pinned."""
    versions = {**addon_versions(cluster.kubernetes_version), **cluster.addons}
    return tuple(
        AddonSpec(
            name=name,
            version=versions[name],
            before_nodes=addon.before_nodes,
            service_account=addon.service_account,
            # NetworkPolicies are ours to write and the CNI's to enforce, which is off by default
            configuration={"enableNetworkPolicy": "true"} if name == "vpc-cni" else {},
        )
        for name, addon in core_addons().items()
        if name in versions
    )


def pool_specs(settings: StackSettings, cluster: EksClusterSettings) -> list[PoolSpec]:
    """Every pool, in the order of the stack file."""
    tags = stack_tags(settings, cluster)
    return [_pool_spec(cluster, name, pool, tags) for name, pool in settings.pools.items()]


def bucket_spec(cluster: EksClusterSettings) -> BucketSpec | None:
    """The bucket for weights, if there is to be one."""
    bucket = cluster.weights_bucket
    if bucket is None:
        return None
    return BucketSpec(
        name=bucket.name,
        kms_key_arn=bucket.kms_key_arn,
        old_versions_days=bucket.old_versions_days,
        protect=cluster.protect_data,
    )


def stack_tags(settings: StackSettings, cluster: EksClusterSettings) -> dict[str, str]:
    """Tags of everything in AWS."""
    return naming.tags(cluster.name, settings.environment, cluster.tags)


def makes_nodes_itself(cluster: EksClusterSettings, pool: PoolSettings) -> bool:
    """Whether Karpenter makes the pool's nodes; it runs on CPU nodes itself, which EKS therefore makes."""
    return cluster.autoscaler == "karpenter" and catalogue()[pool.instance_type].gpus > 0


def pool_capacity(name: str, pool: PoolSettings) -> PoolCapacity:
    """The pool as the planner's sums take it; its type must be in the catalogue."""
    return PoolCapacity(
        name=name,
        node=catalogue()[pool.instance_type],
        min_nodes=pool.min,
        max_nodes=pool.max,
        capacity=pool.capacity,
    )


def pool_parts(name: str, pool: PoolSettings) -> PoolParts:
    """The pool with its nodes' disks, as the cost of a cluster counts them."""
    iops, throughput = _disk_speed(pool)
    return PoolParts(
        pool=pool_capacity(name, pool),
        disk_gib=pool.disk.size_gib,
        disk_iops=iops,
        disk_mib_per_second=throughput,
    )


def cluster_parts(
    settings: StackSettings, cluster: EksClusterSettings, *, extended_support: bool
) -> ClusterParts:
    """What there is to pay for beside the pools; the one KMS key is that of Kubernetes' secrets."""
    prometheus = platform_spec(settings, cluster_facts(settings)).prometheus_stack
    network = cluster.network
    zones = len(cluster.availability_zones)
    nats, endpoints = 0, 0
    if isinstance(network, NewNetworkSettings):
        nats = {"none": 0, "one": 1, "per_zone": zones}[network.nat]
        endpoints = len(network.interface_endpoints) * zones
    return ClusterParts(
        extended_support=extended_support,
        nat_gateways=nats,
        interface_endpoints=endpoints,
        load_balancers=1 if has_alb(settings) else 0,
        volumes_gib=prometheus.replicas * prometheus.storage_gib if prometheus else 0,
        kms_keys=1,
    )


def _pool_spec(cluster: EksClusterSettings, name: str, pool: PoolSettings, tags: dict[str, str]) -> PoolSpec:
    node = catalogue()[pool.instance_type]
    iops, throughput = _disk_speed(pool)
    gpu_labels = {naming.GPU_PRESENT_LABEL: "true"}
    if node.chip and cluster.autoscaler == "cluster-autoscaler":
        gpu_labels[ACCELERATOR_LABEL] = f"nvidia-{node.chip.name.lower().replace(' ', '-')}"
    taints = [TaintSpec(key=t.key, value=t.value, effect=t.effect) for t in pool.taints]
    if node.gpus:
        taints.insert(0, TaintSpec(key=naming.GPU_TAINT, value="true", effect="NO_SCHEDULE"))
    return PoolSpec(
        name=name,
        cluster=cluster.name,
        kubernetes_version=cluster.kubernetes_version,
        instance_types=(pool.instance_type, *pool.other_instance_types),
        min=pool.min,
        max=pool.max,
        gpus=node.gpus,
        nvme=node.nvme_gb > 0,
        efa_interfaces=node.efa_interfaces if pool.efa else 0,
        capacity=pool.capacity,
        reservation_id=pool.reservation_id,
        zones=pool.zones or cluster.availability_zones,
        image=pool.image,
        image_release=pool.image_release,
        disk_gib=pool.disk.size_gib,
        disk_iops=iops,
        disk_mib_per_second=throughput,
        labels={
            **pool.labels,
            naming.POOL_LABEL: name,
            **(gpu_labels if node.gpus else {}),
        },
        taints=tuple(taints),
        karpenter=makes_nodes_itself(cluster, pool),
        node_repair=pool.node_repair,
        tags={**tags, "Name": f"{cluster.name}-{name}"},
    )


def _disk_speed(pool: PoolSettings) -> tuple[int, int]:
    """Operations and MiB per second: beside NVMe, or where no image of an engine lands, the free ones."""
    node = catalogue()[pool.instance_type]
    slow = node.nvme_gb > 0 or node.gpus == 0
    iops = pool.disk.iops or (FREE_IOPS if slow else FAST_IOPS)
    return iops, pool.disk.throughput_mib_per_second or (FREE_MIB_PER_SECOND if slow else FAST_MIB_PER_SECOND)
