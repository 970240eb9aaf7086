"""Pools of a stack file become the nodes EKS would have."""

from typing import Any

from local.nodes import fake_node_manifest, fake_volumes, is_fake, node_manifest, nodes_of

POOLS: dict[str, Any] = {
    "l4": {"instance_type": "g6.2xlarge", "min": 1, "max": 4},
    "cpu": {"instance_type": "m7i.xlarge", "max": 1},
}


def test_each_pool_stands_at_its_largest_size_in_three_zones() -> None:
    nodes = nodes_of({"pools": POOLS})

    assert [node.name for node in nodes] == ["cpu-0", "l4-0", "l4-1", "l4-2", "l4-3"]
    assert [node.zone for node in nodes if node.pool == "l4"] == [
        "local-1a",
        "local-1b",
        "local-1c",
        "local-1a",
    ]


def test_a_gpu_node_has_the_gpus_the_label_and_the_taint_of_eks() -> None:
    manifest = node_manifest(nodes_of({"pools": POOLS})[1])

    assert manifest["status"]["capacity"] == {
        "cpu": "8",
        "memory": "32Gi",
        "pods": "58",
        "ephemeral-storage": "450G",
        "nvidia.com/gpu": "1",
    }
    assert manifest["status"]["allocatable"]["cpu"] == "7910m"
    assert manifest["status"]["allocatable"]["memory"] == "29317Mi"
    assert manifest["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    assert manifest["metadata"]["labels"] == {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": "l4-0",
        "node.kubernetes.io/instance-type": "g6.2xlarge",
        "topology.kubernetes.io/region": "local-1",
        "topology.kubernetes.io/zone": "local-1a",
        "eks.amazonaws.com/capacityType": "ON_DEMAND",
        "llmserve.dev/pool": "l4",
        "nvidia.com/gpu.present": "true",
    }


def test_a_node_without_gpus_has_no_taint_and_no_gpu_label() -> None:
    manifest = node_manifest(nodes_of({"pools": POOLS})[0])

    assert manifest["spec"]["taints"] == []
    assert "nvidia.com/gpu" not in manifest["status"]["capacity"]
    assert "nvidia.com/gpu.present" not in manifest["metadata"]["labels"]
    assert manifest["status"]["capacity"]["ephemeral-storage"] == "20Gi"


def test_only_a_fake_node_is_kwok_s_and_else_it_is_the_same() -> None:
    node = nodes_of({"pools": POOLS})[0]
    fake = fake_node_manifest(node)

    assert fake["metadata"].pop("annotations") == {"kwok.x-k8s.io/node": "fake"}
    assert fake == node_manifest(node)
    assert not is_fake(node_manifest(node))
    assert is_fake(fake_node_manifest(node))


def test_pretended_pods_find_more_volumes_than_the_laptops_stack_claims() -> None:
    volumes = fake_volumes()
    assert len({volume["metadata"]["name"] for volume in volumes}) == len(volumes) >= 5
    assert not any("storageClassName" in volume["spec"] for volume in volumes)
