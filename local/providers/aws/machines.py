"""EKS on the laptop: the local control plane answers for every cluster, node groups become its nodes."""

import json
import shutil
from pathlib import Path

from local.cluster import keep_nodes
from local.errors import LocalError
from local.kubectl import Kubectl
from local.nodes import CLUSTER_LABEL, GROUP_LABEL, node_group_manifests
from local.providers.aws.cloud import SUBNET, Cloud, kubeconfig
from local.providers.protocol import Json, PluginError
from planner.catalogue import catalogue

NODE_GROUP, LAUNCH_TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"


def cluster_outputs() -> Json:
    """Return what a client needs to reach a cluster; raise PluginError if no control plane runs."""
    entry = json.loads(_control_plane().kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    authority = {"data": entry["certificate-authority-data"]}
    return {"endpoint": entry["server"], "certificateAuthority": authority}


def manifests(cloud: Cloud, group: Json, region: str) -> list[Json]:
    """Return the nodes of a node group: as many as wanted, over the zones of its subnets."""
    subnets = [cloud.get(SUBNET, subnet) for subnet in group["subnetIds"]]
    zones = sorted({subnet["inputs"]["availabilityZone"] for subnet in subnets if subnet} or {f"{region}a"})
    return node_group_manifests(group, _instance_type(cloud, group), region, zones)


def keep(group: Json, nodes: list[Json]) -> None:
    """Make the nodes of a node group exactly these; raise PluginError if that fails."""
    selector = f"{GROUP_LABEL}={group['nodeGroupName']},{CLUSTER_LABEL}={group['clusterName']}"
    try:
        keep_nodes(_control_plane(), selector, nodes, drain=True)
    except LocalError as error:
        raise PluginError(f"node group {group['nodeGroupName']}: {error}") from None


def _control_plane() -> Kubectl:
    found = Kubectl(Path(shutil.which("kubectl") or "kubectl"), kubeconfig())
    if not found.kubeconfig.is_file() or not found.is_ready():
        raise PluginError("EKS needs the laptop's control plane, which does not run; see docs/stand-ins.md")
    return found


def _instance_type(cloud: Cloud, group: Json) -> str:
    """Return the type of a group's nodes: its first, or its launch template's, or the API's default."""
    wanted, kinds = group.get("launchTemplate") or {}, list(group.get("instanceTypes") or ())
    for object_id, record in cloud.all(LAUNCH_TEMPLATE):
        if wanted.get("id") == object_id or wanted.get("name") == record["inputs"]["name"]:
            kinds.append(record["inputs"].get("instanceType"))
    kind: str = next(filter(None, kinds), "t3.medium")
    if kind not in catalogue():
        raise PluginError(f"the stand-in knows no size of {kind}: add it to planner/data/ec2_types.yaml")
    return kind
