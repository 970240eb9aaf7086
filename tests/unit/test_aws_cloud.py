"""The aws stand-in's account: what is taken, what is held, whose eyes may read it."""

from pathlib import Path
from typing import Any

import pytest

from local.providers.aws import machines
from local.providers.aws.cloud import CLUSTER, SUBNET, Cloud
from local.providers.launchers import CLOUD_FOLDER
from local.providers.protocol import PluginError

VPC, GROUP = "aws:ec2/vpc:Vpc", machines.NODE_GROUP


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv(CLOUD_FOLDER, str(tmp_path))
    return Cloud()


def put(cloud: Cloud, token: str, object_id: str, **inputs: Any) -> None:
    cloud.put(token, object_id, inputs=inputs, outputs={}, seed="s", revision=1)


def test_the_stand_in_does_not_start_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOUD_FOLDER, raising=False)
    with pytest.raises(PluginError, match="use this repository's commands"):
        Cloud()


def test_objects_are_files_that_only_their_owner_reads(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "aws:eks/addon:Addon", "prod:vpc-cni", addonName="vpc-cni")
    (path,) = tmp_path.rglob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    record = cloud.get("aws:eks/addon:Addon", "prod:vpc-cni")
    assert record
    assert record["inputs"] == {"addonName": "vpc-cni"}
    cloud.delete("aws:eks/addon:Addon", "prod:vpc-cni")
    assert cloud.get("aws:eks/addon:Addon", "prod:vpc-cni") is None


def test_what_others_need_cannot_be_deleted(cloud: Cloud) -> None:
    put(cloud, VPC, "vpc-1")
    put(cloud, SUBNET, "subnet-1", vpcId="vpc-1", cidrBlock="10.0.0.0/24")
    with pytest.raises(PluginError, match="DependencyViolation: vpc-1 is in use by Subnet subnet-1"):
        cloud.delete(VPC, "vpc-1")
    cloud.delete(SUBNET, "subnet-1")
    cloud.delete(VPC, "vpc-1")
    put(cloud, CLUSTER, "prod")
    put(cloud, GROUP, "prod:l4", clusterName="prod")
    with pytest.raises(PluginError, match="ResourceInUseException"):
        cloud.delete(CLUSTER, "prod")


def test_a_name_or_addresses_that_are_taken_are_refused(cloud: Cloud) -> None:
    put(cloud, CLUSTER, "prod")
    with pytest.raises(PluginError, match="AlreadyExists: prod; import it"):
        cloud.require_free(CLUSTER, "prod", {})
    put(cloud, SUBNET, "subnet-1", vpcId="vpc-1", cidrBlock="10.0.0.0/24")
    with pytest.raises(PluginError, match=r"InvalidSubnet.Conflict: 10.0.0.0/25 overlaps 10.0.0.0/24"):
        cloud.require_free(SUBNET, "subnet-2", {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/25"})
    cloud.require_free(SUBNET, "subnet-2", {"vpcId": "vpc-2", "cidrBlock": "10.0.0.0/25"})
    cloud.require_free(SUBNET, "subnet-2", {"vpcId": "vpc-1", "cidrBlock": "10.0.1.0/25"})


def test_nothing_is_made_for_a_cluster_that_is_not_there(cloud: Cloud) -> None:
    with pytest.raises(PluginError, match="No cluster found for name: prod"):
        cloud.require_free(GROUP, "prod:l4", {"clusterName": "prod"})


GPU_GROUP = {
    "clusterName": "prod",
    "nodeGroupName": "L4_pool",
    "subnetIds": ["subnet-1", "subnet-2"],
    "scalingConfig": {"minSize": 1, "desiredSize": 3, "maxSize": 4},
    "instanceTypes": ["g6.12xlarge"],
    "capacityType": "SPOT",
    "labels": {"llmserve.dev/pool": "l4"},
    "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}],
}


def test_a_node_group_becomes_nodes_with_its_labels_taints_gpus_and_zones(cloud: Cloud) -> None:
    for number, zone in ((1, "us-west-2a"), (2, "us-west-2b")):
        put(
            cloud,
            SUBNET,
            f"subnet-{number}",
            vpcId="vpc-1",
            cidrBlock=f"10.0.{number}.0/24",
            availabilityZone=zone,
        )
    nodes = machines.manifests(cloud, GPU_GROUP, "us-west-2")
    assert [node["metadata"]["name"] for node in nodes] == [
        "prod-l4-pool-0",
        "prod-l4-pool-1",
        "prod-l4-pool-2",
    ]
    zones = [node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes]
    assert zones == ["us-west-2a", "us-west-2b", "us-west-2a"]
    node = nodes[0]
    labels = node["metadata"]["labels"]
    assert labels["llmserve.dev/pool"] == "l4"
    assert labels["eks.amazonaws.com/nodegroup"] == "L4_pool"
    assert labels["eks.amazonaws.com/capacityType"] == "SPOT"
    assert labels["node.kubernetes.io/instance-type"] == "g6.12xlarge"
    assert node["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "4"


def test_a_group_without_types_takes_its_launch_templates(cloud: Cloud) -> None:
    put(cloud, machines.LAUNCH_TEMPLATE, "lt-1", name="block", instanceType="p5.48xlarge")
    group = {**GPU_GROUP, "instanceTypes": None, "launchTemplate": {"id": "lt-1", "version": "1"}}
    (node, *_) = machines.manifests(cloud, group, "us-west-2")
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "8"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "us-west-2a"


def test_a_type_whose_size_is_not_known_is_told(cloud: Cloud) -> None:
    with pytest.raises(
        PluginError, match=r"knows no size of x1.32xlarge: add it to planner/data/ec2_types.yaml"
    ):
        machines.manifests(cloud, {**GPU_GROUP, "instanceTypes": ["x1.32xlarge"]}, "us-west-2")
