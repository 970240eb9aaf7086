"""Rows of the aws stand-in's tables name what exists; what needs a new object is as in the real provider."""

import pytest
import yaml

from local.providers.aws import shapes
from local.providers.aws.catalogue import behaviours, id_prefixes, rules
from local.providers.aws.rules import KINDS
from local.providers.aws.schema import resource_type
from local.providers.protocol import Json
from tests.stack_files import ROOT

# ForceNew of terraform-provider-aws in Pulumi's spelling. The first two were read there (service/eks:
# node_group.go at b11fc0f, cluster.go at e33a89d), the others are what the API can change.
REPLACED = {
    "aws:eks/nodeGroup:NodeGroup": {
        "amiType", "capacityType", "clusterName", "diskSize", "instanceTypes", "launchTemplate.id",
        "launchTemplate.name", "nodeGroupName", "nodeGroupNamePrefix", "nodeRoleArn", "remoteAccess",
        "subnetIds",
    },
    "aws:eks/cluster:Cluster": {
        "accessConfig.bootstrapClusterCreatorAdminPermissions", "bootstrapSelfManagedAddons",
        "kubernetesNetworkConfig.ipFamily", "kubernetesNetworkConfig.serviceIpv4Cidr", "name",
        "outpostConfig", "roleArn",
    },
    "aws:eks/addon:Addon": {"addonName", "clusterName", "namespaceConfig"},
    "aws:eks/accessEntry:AccessEntry": {"clusterName", "principalArn", "type"},
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": {"clusterName", "namespace", "serviceAccount"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name", "namePrefix"},
    "aws:ec2/routeTable:RouteTable": {"vpcId"},
    "aws:ec2/securityGroup:SecurityGroup": {"description", "name", "namePrefix", "vpcId"},
    "aws:iam/role:Role": {"name", "namePrefix", "path"},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {"policyArn", "role"},
    "aws:kms/key:Key": {"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"},
    "aws:s3/bucketVersioning:BucketVersioning": {"bucket", "expectedBucketOwner"},
}  # fmt: skip


def test_no_row_has_a_column_that_its_table_lacks() -> None:
    for name, rows in (("catalogue.yaml", "types"), ("rules.yaml", "rules")):
        data = yaml.safe_load((ROOT / "local" / "providers" / "aws" / name).read_text(encoding="utf-8"))
        table = data[rows].values() if rows == "types" else data[rows]
        columns = {*data["defaults"], *({"type", "fix", "source"} if rows == "rules" else ())}
        assert all(set(row) <= columns for row in table)
        assert rows == "types" or all({"type", "fix", "source"} <= set(row) for row in table)


def known(token: str) -> Json:
    found = resource_type(token)
    assert found, f"{token} is not in the SDK"
    return found


@pytest.mark.parametrize("token", sorted(behaviours()))
def test_a_row_names_inputs_outputs_and_calls_that_exist(token: str) -> None:
    row, sdk = behaviours()[token], known(token)
    inputs = {*row.names, *row.in_place, *row.replace, *([row.name] if row.name else [])}
    assert {name.split(".")[0] for name in inputs} <= set(sdk["inputs"]["types"])
    assert {*row.outputs, *(["arn"] if row.arn else [])} <= set(sdk["outputs"])
    assert set(row.held_by) <= set(behaviours())
    for call in [row.create, *row.update] if row.create else []:
        assert call in shapes.service(row.api).operation_names


@pytest.mark.parametrize("token", sorted(rules()))
def test_a_rule_names_inputs_that_exist(token: str) -> None:
    for rule in rules()[token]:
        assert not rule.kind or rule.kind in KINDS
        assert rule.source
        paths = [rule.within] if rule.within else [rule.input] if rule.input else []
        if not rule.within:
            lists = (
                rule.when,
                rule.forbids,
                rule.needs,
                rule.exactly_one,
                rule.at_most_one,
                rule.rising,
                rule.alike,
            )
            paths += [path for paths in lists for path in paths]
        assert {path.split(".")[0] for path in paths} <= set(known(token)["inputs"]["types"])


def test_the_ids_that_are_checked_are_inputs_of_some_resource() -> None:
    inputs = {name for token in behaviours() for name in known(token)["inputs"]["types"]}
    nested = {"securityGroupIds", "subnetIds"}
    assert set(id_prefixes()) <= inputs | nested


@pytest.mark.parametrize("token", sorted(REPLACED))
def test_what_needs_a_new_object_is_as_in_the_real_provider(token: str) -> None:
    inputs = known(token)["inputs"]["types"]
    here = {"region"} & set(inputs)
    assert set(shapes.fixed(behaviours()[token], inputs)) == REPLACED[token] | here


def test_nothing_that_only_aws_sets_is_left_out_where_programs_use_it() -> None:
    for token, outputs in {
        "aws:eks/nodeGroup:NodeGroup": {"arn", "status", "resources"},
        "aws:ec2/launchTemplate:LaunchTemplate": {"arn", "latestVersion"},
        "aws:kms/key:Key": {"arn", "keyId"},
        "aws:s3/bucket:Bucket": {"arn", "bucketRegionalDomainName"},
        "aws:sqs/queue:Queue": {"arn", "url"},
    }.items():
        row = behaviours()[token]
        assert outputs <= {*row.outputs, "arn"}
