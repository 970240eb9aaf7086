"""Names, ids, tags, outputs and order of replacement of the aws stand-in's objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.providers.aws import objects
from local.providers.protocol import UNKNOWN, PluginError

VPC, ROLE, BUCKET = "aws:ec2/vpc:Vpc", "aws:iam/role:Role", "aws:s3/bucket:Bucket"
CLUSTER, TEMPLATE = "aws:eks/cluster:Cluster", "aws:ec2/launchTemplate:LaunchTemplate"
DEFAULTS = {"region": "us-west-2", "tags": {"project": "llmserve"}}


def test_a_provider_needs_a_region_and_reads_default_tags_from_json_text() -> None:
    read = objects.settings({"region": "us-west-2", "defaultTags": '{"tags": {"project": "llmserve"}}'})
    assert read == DEFAULTS
    with pytest.raises(PluginError, match="region: is missing"):
        objects.settings({})


def test_region_and_all_tags_become_inputs() -> None:
    made = objects.completed(VPC, "net", {}, {"tags": {"project": "mine", "x": "y"}}, DEFAULTS, b"seed")
    assert made == {
        "region": "us-west-2",
        "tags": {"project": "mine", "x": "y"},
        "tagsAll": {"project": "mine", "x": "y"},
    }
    assert objects.completed(VPC, "net", {}, {}, DEFAULTS, b"")["tagsAll"] == {"project": "llmserve"}
    assert objects.completed(VPC, "net", {}, {"tags": UNKNOWN}, DEFAULTS, b"")["tagsAll"] == UNKNOWN


def test_a_made_name_has_seven_digits_and_is_kept() -> None:
    first = objects.completed(ROLE, "node", {}, {}, DEFAULTS, b"seed")
    assert len(first["name"]) == len("node-") + 7
    assert objects.completed(ROLE, "node", first, {}, DEFAULTS, b"other")["name"] == first["name"]
    assert objects.completed(ROLE, "node", {}, {}, DEFAULTS, b"other")["name"] != first["name"]
    assert objects.completed(ROLE, "node", first, {"name": "mine"}, DEFAULTS, b"")["name"] == "mine"


def test_a_bucket_is_named_in_small_letters_and_an_alias_with_its_prefix() -> None:
    assert objects.completed(BUCKET, "Weights", {}, {}, DEFAULTS, b"")["bucket"].startswith("weights-")
    alias = objects.completed("aws:kms/alias:Alias", "key", {}, {}, DEFAULTS, b"")
    assert alias["name"].startswith("alias/key-")


def test_a_made_name_too_long_says_what_to_shorten() -> None:
    with pytest.raises(PluginError, match=r"name: r{57}-.* is longer than 64 characters; shorten"):
        objects.completed(ROLE, "r" * 57, {}, {}, DEFAULTS, b"")


def test_ids_and_arns_come_from_the_catalogue() -> None:
    object_id, outputs = objects.identified(ROLE, {"name": "node"}, "us-west-2", "seed")
    assert (object_id, outputs["arn"]) == ("node", "arn:aws:iam::000000000000:role/node")
    object_id, outputs = objects.identified(VPC, {"cidrBlock": "10.0.0.0/16"}, "us-west-2", "seed")
    assert object_id.startswith("vpc-")
    assert outputs["arn"] == f"arn:aws:ec2:us-west-2:000000000000:vpc/{object_id}"
    assert outputs["cidrBlock"] == "10.0.0.0/16"
    assert objects.identified(VPC, {}, "us-west-2", "seed")[0] == object_id
    assert objects.identified(VPC, {}, "us-west-2", "other")[0] != object_id


def test_what_aws_adds_to_a_nested_input_is_merged_into_it() -> None:
    inputs = {"name": "c", "vpcConfig": {"subnetIds": ["subnet-1"]}}
    _, outputs = objects.identified(CLUSTER, inputs, "us-west-2", "seed")
    assert outputs["vpcConfig"]["subnetIds"] == ["subnet-1"]
    assert outputs["vpcConfig"]["clusterSecurityGroupId"].startswith("sg-")


def test_a_preview_of_a_new_object_knows_its_inputs_only() -> None:
    first = objects.foreseen(
        CLUSTER, {"name": "c", "vpcConfig": {"subnetIds": ["subnet-1"]}, "__defaults": ["name"]}
    )
    assert first["name"] == "c"
    assert first["endpoint"] == first["arn"] == first["certificateAuthority"] == UNKNOWN
    assert first["vpcConfig"] == {"clusterSecurityGroupId": UNKNOWN, "subnetIds": ["subnet-1"]}
    assert "__defaults" not in first


def test_a_preview_of_a_change_keeps_what_stays() -> None:
    old, outputs = {"description": "a", "path": "/"}, {"description": "a", "path": "/", "arn": "arn:role"}
    assert objects.foreseen(ROLE, {"description": "b"}, old, outputs) == {
        "description": "b",
        "arn": "arn:role",
    }


@pytest.mark.parametrize(("change", "version"), [({"userData": "eA=="}, UNKNOWN), ({"tags": {"a": "b"}}, 3)])
def test_a_launch_template_gets_a_new_version_unless_only_tags_change(
    change: dict[str, object], version: object
) -> None:
    old: dict[str, object] = {"name": "t"}
    new = objects.foreseen(TEMPLATE, old | change, old, {"name": "t", "latestVersion": 3})
    assert new["latestVersion"] == version
    _, outputs = objects.identified(TEMPLATE, {"name": "t"}, "us-west-2", "seed", 4)
    assert outputs["latestVersion"] == 4


def test_only_a_given_name_makes_a_replacement_wait() -> None:
    made = {"name": "c-1234567", "__defaults": ["name"]}
    assert not objects.deletes_first(CLUSTER, made, made)
    assert objects.deletes_first(CLUSTER, {"name": "c"}, {"name": "c"})
    assert not objects.deletes_first(CLUSTER, {"name": "c"}, {"name": "d"})
    attachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    assert objects.deletes_first(attachment, {}, {})


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=55), st.binary())
def test_every_made_name_fits_and_is_the_same_for_the_same_seed(name: str, seed: bytes) -> None:
    once, twice = (objects.completed(BUCKET, name, {}, {}, DEFAULTS, seed) for _ in range(2))
    assert once == twice
    assert len(once["bucket"]) <= 63
