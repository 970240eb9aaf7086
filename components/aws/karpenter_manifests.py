"""A pool as Karpenter's NodePool and EC2NodeClass. Pure."""

from collections.abc import Sequence
from typing import Any

from components import naming
from components.aws.spec import PoolSpec
from components.aws.user_data import user_data
from components.spec import Manifest
from planner.eks import images

_CAPACITY_TYPES = {
    "on-demand": "on-demand",
    "spot": "spot",
    "reservation": "reserved",
    "capacity-block": "reserved",
}
_FAMILIES = {"al2023": "AL2023", "bottlerocket": "Bottlerocket"}
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
EXPIRE_AFTER, GRACE, EMPTY_SECONDS, BUDGET = "720h", "24h", 300, "10%"
"""A node's longest life, its time to drain, the wait before an empty one goes, the share that may go at once
(Smana and chrismld, node pools for inference). They wait 30 s; here 300 s: a model that scales up again
would pull its image and weights anew."""


def node_pool(pool: PoolSpec) -> Manifest:
    """The NodePool: what nodes there may be, at most how many GPUs, and when one goes.

    Only empty nodes go: a warm model is worth more than a better packing.
    """
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": _metadata(pool),
        "spec": {
            "limits": {naming.GPU_RESOURCE: str(pool.max * pool.gpus)},
            "disruption": {
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": f"{EMPTY_SECONDS}s",
                "budgets": [{"nodes": BUDGET}],
            },
            "template": {
                "metadata": {"labels": pool.labels},
                "spec": {
                    "nodeClassRef": {
                        "group": "karpenter.k8s.aws",
                        "kind": "EC2NodeClass",
                        "name": pool.name,
                    },
                    "expireAfter": EXPIRE_AFTER,
                    "terminationGracePeriod": GRACE,
                    "taints": [
                        {"key": t.key, "value": t.value, "effect": _EFFECTS[t.effect]} for t in pool.taints
                    ],
                    "requirements": [
                        _one_of("node.kubernetes.io/instance-type", pool.instance_types),
                        _one_of("karpenter.sh/capacity-type", [_CAPACITY_TYPES[pool.capacity]]),
                        _one_of("topology.kubernetes.io/zone", pool.zones),
                    ],
                },
            },
        },
    }


def node_class(
    pool: PoolSpec, *, instance_profile: Any, security_group: Any, subnets: Sequence[Any]
) -> Manifest:
    """The EC2NodeClass: what such a node starts as."""
    image = images()[pool.image]
    alias = f"{pool.image}@{pool.image_release}" if pool.image_release else image.karpenter_alias
    text = user_data(pool)
    return {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": _metadata(pool),
        "spec": {
            "amiFamily": _FAMILIES[pool.image],
            "amiSelectorTerms": [{"alias": alias}],
            "instanceProfile": instance_profile,
            "subnetSelectorTerms": [{"id": subnet} for subnet in subnets],
            "securityGroupSelectorTerms": [{"id": security_group}],
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpTokens": "required",
                "httpPutResponseHopLimit": 1,
            },
            "blockDeviceMappings": [
                {
                    "deviceName": image.root_device,
                    "ebs": {
                        "volumeType": "gp3",
                        "volumeSize": f"{pool.disk_gib}Gi",
                        "iops": pool.disk_iops,
                        "throughput": pool.disk_mib_per_second,
                        "encrypted": True,
                        "deleteOnTermination": True,
                    },
                }
            ],
            **({"instanceStorePolicy": "RAID0"} if pool.nvme else {}),
            **(
                {"capacityReservationSelectorTerms": [{"id": pool.reservation_id}]}
                if pool.reservation_id
                else {}
            ),
            **({"userData": text} if text else {}),
            "tags": pool.tags,
        },
    }


def _metadata(pool: PoolSpec) -> dict[str, Any]:
    return {"name": pool.name, "labels": naming.labels("pool", pool.name)}


def _one_of(key: str, values: Sequence[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}
