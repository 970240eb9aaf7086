"""EKS on the laptop: the local control plane answers for every cluster, node groups become its nodes."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from components.naming import DOMAIN, POOL_LABEL
from local.cluster import TOKENS, keep_nodes
from local.errors import LocalError
from local.kubectl import Kubectl
from local.nodes import CAPACITY_LABEL, NodeSpec, fake_node_manifest
from local.providers.aws.cloud import SUBNET, Cloud
from local.providers.protocol import Json, PluginError
from planner.catalogue import catalogue

NODE_GROUP, LAUNCH_TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
GROUP_LABEL, CLUSTER_LABEL = "eks.amazonaws.com/nodegroup", f"{DOMAIN}/cluster"
EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}


def control_plane() -> Kubectl:
    """Return kubectl for the local control plane; raise PluginError if it does not run."""
    found = Kubectl(
        Path(shutil.which("kubectl") or "kubectl"), Path(os.environ.get("KUBECONFIG", "kubeconfig")).resolve()
    )
    if not found.kubeconfig.is_file() or not found.is_ready():
        raise PluginError("EKS needs the laptop's control plane, which does not run; see docs/stand-ins.md")
    return found


def cluster_outputs() -> Json:
    """Return what a client needs to reach a cluster."""
    entry = json.loads(control_plane().kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    return {
        "endpoint": entry["server"],
        "certificateAuthority": {"data": entry["certificate-authority-data"]},
    }


def token() -> str:
    """Return the secret by which the control plane knows `aws eks get-token`."""
    path = Path(os.environ.get("KUBECONFIG", "kubeconfig")).resolve().parent / TOKENS
    return path.read_text(encoding="utf-8").split(",")[0]


def manifests(cloud: Cloud, group: Json, region: str) -> list[Json]:
    """Return the nodes of a node group: as many as wanted, over the zones of its subnets."""
    subnets = [cloud.get(SUBNET, subnet) for subnet in sorted(group["subnetIds"])]
    zones = sorted({subnet["inputs"]["availabilityZone"] for subnet in subnets if subnet} or {f"{region}a"})
    size, kind = group["scalingConfig"], _instance_type(cloud, group)
    stem = re.sub(r"[^a-z0-9-]", "-", f"{group['clusterName']}-{group['nodeGroupName']}".lower())
    nodes = []
    for number in range(max(size["desiredSize"], size["minSize"])):
        zone = zones[number % len(zones)]
        node = fake_node_manifest(NodeSpec(name=f"{stem}-{number}", pool="", instance_type=kind, zone=zone))
        del node["metadata"]["labels"][POOL_LABEL]
        node["metadata"]["labels"] |= {
            "topology.kubernetes.io/region": region,
            CAPACITY_LABEL: group.get("capacityType") or "ON_DEMAND",
            GROUP_LABEL: group["nodeGroupName"],
            CLUSTER_LABEL: group["clusterName"],
            **(group.get("labels") or {}),
        }
        taints = [{**taint, "effect": EFFECTS[taint["effect"]]} for taint in group.get("taints") or ()]
        node["spec"]["taints"] = taints
        nodes.append(node)
    return nodes


def apply(cloud: Cloud, group: Json, region: str) -> None:
    """Make the nodes of a node group exactly those it wants; raise PluginError if that fails."""
    _keep(manifests(cloud, group, region), group)


def remove(group: Json) -> None:
    """Remove the nodes of a node group."""
    _keep([], group)


def _keep(wanted: list[Json], group: Json) -> None:
    selector = f"{GROUP_LABEL}={group['nodeGroupName']},{CLUSTER_LABEL}={group['clusterName']}"
    try:
        keep_nodes(control_plane(), selector, wanted)
    except LocalError as error:
        raise PluginError(f"node group {group['nodeGroupName']}: {error}") from None


def _instance_type(cloud: Cloud, group: Json) -> str:
    """Return the type of a group's nodes: its first, or its launch template's."""
    template: Any = group.get("launchTemplate") or {}
    kinds = list(group.get("instanceTypes") or ())
    for object_id, record in cloud.all(LAUNCH_TEMPLATE):
        if template.get("id") == object_id or template.get("name") == record["inputs"]["name"]:
            kinds.append(record["inputs"].get("instanceType"))
    kind = next((kind for kind in kinds if kind), "t3.medium")  # the API's default
    if kind not in catalogue():
        raise PluginError(f"the stand-in knows no size of {kind}: add it to planner/data/ec2_types.yaml")
    return str(kind)
