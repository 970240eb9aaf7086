"""The stack file's pools as Kubernetes nodes of the laptop's control plane. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.naming import DOMAIN, GPU_PRESENT_LABEL, GPU_RESOURCE, GPU_TAINT, POOL_LABEL
from planner.catalogue import InstanceType, catalogue

KWOK_ANNOTATION = "kwok.x-k8s.io/node"
"""Nodes that carry it with the value `fake` are kept alive by kwok, which also plays their pods."""
CAPACITY_LABEL = "eks.amazonaws.com/capacityType"
FAKE_VOLUMES = 20
"""More than the example stacks claim, made anew a few times."""
GROUP_LABEL = "eks.amazonaws.com/nodegroup"
CLUSTER_LABEL = f"{DOMAIN}/cluster"
"""On nodes of a node group: their EKS cluster, several of which share the laptop's control plane."""
EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
"""Effects of taints: EKS's spelling → Kubernetes' own."""
ZONES = ("a", "b", "c")
REGION = "local-1"
ROOT_DISK_GIB = 20
"""Disk of a node without local NVMe: the default diskSize of an EKS managed node group."""


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node to be."""

    name: str
    pool: str
    instance_type: str
    zone: str


def nodes_of(settings: Mapping[str, Any]) -> list[NodeSpec]:
    """Return the nodes of a stack file's `llmserve:settings`: each pool's `max`, over three zones.

    The laptop has no node autoscaler, so a pool stands at its largest size all the time.
    """
    return [
        NodeSpec(
            name=f"{name}-{number}",
            pool=name,
            instance_type=pool["instance_type"],
            zone=f"{REGION}{ZONES[number % len(ZONES)]}",
        )
        for name, pool in sorted(settings["pools"].items())
        for number in range(pool["max"])
    ]


def node_manifest(node: NodeSpec) -> dict[str, Any]:
    """Return the Node as EKS would register it."""
    instance = catalogue()[node.instance_type]
    gpu = instance.gpus > 0
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": node.name,
                "node.kubernetes.io/instance-type": node.instance_type,
                "topology.kubernetes.io/region": REGION,
                "topology.kubernetes.io/zone": node.zone,
                CAPACITY_LABEL: "ON_DEMAND",
                POOL_LABEL: node.pool,
                **({GPU_PRESENT_LABEL: "true"} if gpu else {}),
            },
        },
        "spec": {
            "taints": [{"key": GPU_TAINT, "value": "true", "effect": "NoSchedule"}] if gpu else [],
        },
        "status": {"capacity": _capacity(instance), "allocatable": _allocatable(instance)},
    }


def fake_node_manifest(node: NodeSpec) -> dict[str, Any]:
    """Return the same Node for kwok to play."""
    manifest = node_manifest(node)
    manifest["metadata"]["annotations"] = {KWOK_ANNOTATION: "fake"}
    return manifest


def fake_volumes() -> list[dict[str, Any]]:
    """PersistentVolumes for the claims of pretended pods, for whom nobody makes any. Nothing is written.

    One is bound for good by the first claim without a storage class that takes it.
    """
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"fake-{number}"},
            "spec": {
                "capacity": {"storage": "1Ti"},
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                "hostPath": {"path": f"/fake/{number}"},
            },
        }
        for number in range(FAKE_VOLUMES)
    ]


def node_group_manifests(
    group: Mapping[str, Any], instance_type: str, region: str, zones: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the nodes, for kwok to play, that an EKS node group of these inputs (camelCase) has."""
    size = group["scalingConfig"]
    stem = re.sub(r"[^a-z0-9-]", "-", f"{group['clusterName']}-{group['nodeGroupName']}".lower())
    taints = [{**taint, "effect": EFFECTS[taint["effect"]]} for taint in group.get("taints") or ()]
    nodes = []
    for number in range(max(size["desiredSize"], size["minSize"])):
        zone = zones[number % len(zones)]
        spec = NodeSpec(name=f"{stem}-{number}", pool="", instance_type=instance_type, zone=zone)
        node = fake_node_manifest(spec)
        del node["metadata"]["labels"][POOL_LABEL]
        node["metadata"]["labels"] |= {
            "topology.kubernetes.io/region": region,
            CAPACITY_LABEL: group.get("capacityType") or "ON_DEMAND",
            GROUP_LABEL: group["nodeGroupName"],
            CLUSTER_LABEL: group["clusterName"],
            **(group.get("labels") or {}),
        }
        node["spec"]["taints"] = taints
        nodes.append(node)
    return nodes


def is_fake(node: Mapping[str, Any]) -> bool:
    """Whether kwok plays this Node."""
    return bool(node["metadata"].get("annotations", {}).get(KWOK_ANNOTATION) == "fake")


def _capacity(instance: InstanceType) -> dict[str, str]:
    return {
        "cpu": str(instance.vcpu),
        "memory": f"{instance.memory_gib}Gi",
        **_same_in_both(instance),
    }


def _allocatable(instance: InstanceType) -> dict[str, str]:
    return {
        "cpu": f"{instance.allocatable_cpu_millicores}m",
        "memory": f"{instance.allocatable_memory_mib}Mi",
        **_same_in_both(instance),
    }


def _same_in_both(instance: InstanceType) -> dict[str, str]:
    nvme = f"{instance.nvme_gb}G" if instance.nvme_gb else None
    return {
        "pods": str(instance.allocatable_pods),
        "ephemeral-storage": nvme or f"{ROOT_DISK_GIB}Gi",
        **({GPU_RESOURCE: str(instance.gpus)} if instance.gpus else {}),
    }
