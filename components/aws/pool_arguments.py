"""Arguments of a pool's AWS resources as plain dicts in Pulumi's spelling. Pure.

Values that are only known later (ids, versions) pass through untouched.
"""

from collections.abc import Sequence
from typing import Any

from components.aws.spec import PoolSpec
from components.aws.user_data import encoded, user_data
from planner.eks import images

Arguments = dict[str, Any]

CAPACITY_TYPES = {
    "on-demand": "ON_DEMAND",
    "reservation": "ON_DEMAND",
    "spot": "SPOT",
    "capacity-block": "CAPACITY_BLOCK",
}
TAGGED_AT_START = ("instance", "volume", "network-interface")
"""What EC2 makes from a launch template; the provider's default tags do not reach it."""


def launch_template(pool: PoolSpec, *, security_group: Any, placement_group: Any | None) -> Arguments:
    """What every node of the pool starts as.

    Security groups are left to EKS, except with EFA: interfaces that are named need them named too.
    """
    text = user_data(pool)
    return {
        "block_device_mappings": [_disk(pool)],
        "metadata_options": {
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1,  # pods are one hop further: they cannot take the node's role
        },
        "tag_specifications": [{"resource_type": kind, "tags": pool.tags} for kind in TAGGED_AT_START],
        "update_default_version": True,
        **({"user_data": encoded(text)} if text else {}),
        **({"network_interfaces": _efa(pool, security_group)} if pool.efa_interfaces else {}),
        **({"placement": {"group_name": placement_group}} if placement_group is not None else {}),
        **_reservation(pool),
    }


def node_group(
    pool: PoolSpec, *, cluster: Any, role_arn: Any, subnets: Sequence[Any], template_id: Any, version: Any
) -> Arguments:
    """The managed node group; `version` is the launch template's."""
    image = images()[pool.image]
    release = pool.image_release or image.releases.get(pool.kubernetes_version)
    block = pool.capacity == "capacity-block"
    return {
        "cluster_name": cluster,
        "node_role_arn": role_arn,
        "subnet_ids": list(subnets),
        "ami_type": image.gpu_ami_type if pool.gpus else image.cpu_ami_type,
        "version": pool.kubernetes_version,
        **({"release_version": release} if release else {}),
        "capacity_type": CAPACITY_TYPES[pool.capacity],
        # a capacity block's type stands in the launch template, and only there
        **({} if block else {"instance_types": list(pool.instance_types)}),
        "scaling_config": {"desired_size": pool.min, "min_size": pool.min, "max_size": pool.max},
        "labels": pool.labels,
        "taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in pool.taints],
        "launch_template": {"id": template_id, "version": version},
        # A GPU node goes before the next comes: there is seldom a spare one to be had.
        "update_config": {"max_unavailable": 1, "update_strategy": "MINIMAL" if pool.gpus else "DEFAULT"},
        "node_repair_config": {"enabled": pool.node_repair},
    }


def _disk(pool: PoolSpec) -> Arguments:
    return {
        "device_name": images()[pool.image].root_device,
        "ebs": {
            "volume_type": "gp3",
            "volume_size": pool.disk_gib,
            "iops": pool.disk_iops,
            "throughput": pool.disk_mib_per_second,
            "encrypted": "true",
            "delete_on_termination": "true",
        },
    }


def _efa(pool: PoolSpec, security_group: Any) -> list[Arguments]:
    """One interface per network card; the first carries IP too (EKS User Guide, node-efa)."""
    return [
        {
            "network_card_index": card,
            "device_index": 0 if card == 0 else 1,
            "interface_type": "efa" if card == 0 else "efa-only",
            "delete_on_termination": "true",
            "security_groups": [security_group],
        }
        for card in range(pool.efa_interfaces)
    ]


def _reservation(pool: PoolSpec) -> Arguments:
    if pool.reservation_id is None:
        return {}
    target = {"capacity_reservation_target": {"capacity_reservation_id": pool.reservation_id}}
    if pool.capacity != "capacity-block":
        return {"capacity_reservation_specification": target}
    return {
        "capacity_reservation_specification": target,
        "instance_market_options": {"market_type": "capacity-block"},
        "instance_type": pool.instance_types[0],
    }
