"""Pools as launch templates, node groups, user data and Karpenter's objects."""

import base64
import email
from typing import Any

import pytest
import yaml

from components.aws.karpenter_manifests import node_class, node_pool
from components.aws.pool_arguments import launch_template, node_group
from components.aws.spec import PoolSpec, TaintSpec
from components.aws.user_data import user_data
from infra.checking import check_settings
from infra.resolve_cluster import pool_specs
from infra.stackfile.cluster import EksClusterSettings
from tests.snapshot import assert_snapshot
from tests.stack_files import eks_valid, with_value

BLOCK = {
    "instance_type": "p5.48xlarge",
    "max": 2,
    "capacity": "capacity-block",
    "reservation_id": "cr-0123456789abcdef0",
    "zones": ["us-west-2a"],
}


def pool(name: str = "l4", **changes: Any) -> PoolSpec:
    """The spec of a pool of a right stack file with some settings changed."""
    raw = eks_valid()
    for path, value in changes.items():
        with_value(path.replace("__", "."), value, raw)
    settings, _ = check_settings(raw)
    assert settings is not None
    assert isinstance(settings.cluster, EksClusterSettings)
    return next(spec for spec in pool_specs(settings, settings.cluster) if spec.name == name)


def template(spec: PoolSpec) -> dict[str, Any]:
    group = "placement" if spec.efa_interfaces else None
    return launch_template(spec, security_group="sg-1", placement_group=group)


def group(spec: PoolSpec) -> dict[str, Any]:
    return node_group(
        spec, cluster="test", role_arn="arn", subnets=["subnet-1"], template_id="lt-1", version="3"
    )


def node_config(spec: PoolSpec) -> dict[str, Any]:
    """The NodeConfig in a pool's user data, read as nodeadm reads it."""
    text = user_data(spec)
    assert text is not None
    message = email.message_from_string(text)
    assert message.get_content_type() == "multipart/mixed"
    (part,) = message.get_payload()
    assert part.get_content_type() == "application/node.eks.aws"  # type: ignore[union-attr]
    config: dict[str, Any] = yaml.safe_load(part.get_payload())  # type: ignore[union-attr, arg-type]
    return config


def test_a_gpu_pool_has_nvme_as_one_volume_and_pulls_in_parallel() -> None:
    assert node_config(pool())["spec"] == {
        "instance": {"localStorage": {"strategy": "RAID0"}},
        "featureGates": {"FastImagePull": True},
    }
    assert base64.b64decode(template(pool())["user_data"]).decode() == user_data(pool())


def test_a_cpu_pool_without_nvme_needs_no_user_data() -> None:
    assert user_data(pool("system")) is None
    assert "user_data" not in template(pool("system"))


def test_bottlerocket_is_told_the_same_in_its_own_words() -> None:
    text = user_data(pool(pools__l4__image="bottlerocket"))
    assert text is not None
    settings = __import__("tomllib").loads(text)["settings"]
    assert settings["bootstrap-commands"]["nvme"]["commands"][0] == ["apiclient", "ephemeral-storage", "init"]
    assert settings["container-runtime"]["snapshotter"] == "soci"


def test_karpenter_is_told_about_nvme_by_a_field_and_not_twice() -> None:
    spec = pool(cluster__autoscaler="karpenter")
    assert "instance" not in node_config(spec)["spec"]
    made = node_class(spec, instance_profile="p", security_group="sg-1", subnets=["subnet-1"])
    assert made["spec"]["instanceStorePolicy"] == "RAID0"


def test_a_gpu_node_group_is_labelled_tainted_and_never_surges() -> None:
    made = group(pool())
    assert made["labels"] == {
        "llmserve.dev/pool": "l4",
        "nvidia.com/gpu.present": "true",
        "k8s.amazonaws.com/accelerator": "nvidia-l4",
    }
    assert made["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}]
    assert made["ami_type"] == "AL2023_x86_64_NVIDIA"
    assert made["release_version"] == "1.35.6-20260714"
    assert made["update_config"] == {"max_unavailable": 1, "update_strategy": "MINIMAL"}
    assert made["node_repair_config"] == {"enabled": True}
    assert made["scaling_config"] == {"desired_size": 1, "min_size": 1, "max_size": 8}
    assert made["instance_types"] == ["g6.2xlarge"]


def test_a_cpu_node_group_has_neither_taint_nor_nvidia_image() -> None:
    made = group(pool("system"))
    assert made["taints"] == []
    assert made["ami_type"] == "AL2023_x86_64_STANDARD"
    assert made["update_config"]["update_strategy"] == "DEFAULT"


def test_a_capacity_block_names_its_type_in_the_template_only() -> None:
    spec = pool("h100", pools__h100=BLOCK)
    assert "instance_types" not in group(spec)
    assert group(spec)["capacity_type"] == "CAPACITY_BLOCK"
    made = template(spec)
    assert made["instance_type"] == "p5.48xlarge"
    assert made["instance_market_options"] == {"market_type": "capacity-block"}
    assert made["capacity_reservation_specification"] == {
        "capacity_reservation_target": {"capacity_reservation_id": "cr-0123456789abcdef0"}
    }


def test_a_reservation_is_bought_on_demand_from_its_target() -> None:
    changes = {"pools__l4__capacity": "reservation", "pools__l4__reservation_id": "cr-0123456789abcdef0"}
    spec = pool(**changes)
    assert group(spec)["capacity_type"] == "ON_DEMAND"
    assert "instance_market_options" not in template(spec)
    assert "capacity_reservation_specification" in template(spec)


def test_spot_takes_several_types() -> None:
    changes = {"pools__l4__capacity": "spot", "pools__l4__other_instance_types": ["g6.4xlarge"]}
    made = group(pool(**changes))
    assert made["capacity_type"] == "SPOT"
    assert made["instance_types"] == ["g6.2xlarge", "g6.4xlarge"]


def test_efa_gives_every_card_an_interface_in_the_clusters_group() -> None:
    efa = {"instance_type": "p5.48xlarge", "max": 2, "efa": True, "zones": ["us-west-2a"]}
    made = template(pool("h100", pools__h100=efa))
    assert len(made["network_interfaces"]) == 32
    assert [i["interface_type"] for i in made["network_interfaces"][:2]] == ["efa", "efa-only"]
    assert {i["security_groups"][0] for i in made["network_interfaces"]} == {"sg-1"}
    assert made["placement"] == {"group_name": "placement"}


@pytest.mark.parametrize(
    ("instance_type", "iops", "throughput"),
    [("g6.2xlarge", 3000, 125), ("m7i.large", 3000, 125)],
)
def test_disks_beside_nvme_or_without_engines_are_the_free_ones(
    instance_type: str, iops: int, throughput: int
) -> None:
    spec = pool("x", pools__x={"instance_type": instance_type, "max": 1})
    assert (spec.disk_iops, spec.disk_mib_per_second) == (iops, throughput)


def test_karpenters_objects_are_as_recorded() -> None:
    changes = {
        "cluster__autoscaler": "karpenter",
        "pools__l4__capacity": "spot",
        "pools__l4__other_instance_types": ["g6.4xlarge"],
    }
    spec = pool(**changes)
    manifests = [
        node_pool(spec),
        node_class(spec, instance_profile="test-nodes", security_group="sg-1", subnets=["subnet-1"]),
    ]
    assert_snapshot("aws/karpenter.yaml", yaml.safe_dump_all(manifests, sort_keys=False))


def test_karpenter_spells_taints_as_kubernetes_does_and_limits_gpus() -> None:
    spec = pool(cluster__autoscaler="karpenter")
    made = node_pool(spec)["spec"]
    assert made["template"]["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}
    ]
    assert spec.taints == (TaintSpec(key="nvidia.com/gpu", value="true", effect="NO_SCHEDULE"),)
    assert made["limits"] == {"nvidia.com/gpu": "8"}
    requirements = {r["key"]: r["values"] for r in made["template"]["spec"]["requirements"]}
    assert requirements == {
        "node.kubernetes.io/instance-type": ["g6.2xlarge"],
        "karpenter.sh/capacity-type": ["on-demand"],
        "topology.kubernetes.io/zone": ["us-west-2a", "us-west-2b"],
    }
