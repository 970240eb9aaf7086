"""The AWS half of the whole program, under the recorder: tags, protection, permissions, providers, order."""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from components.aws import iam_documents
from components.aws.pool_arguments import TAGGED_AT_START
from tests.program.harness import SECRET_SIGNATURE, Deployment, Registration, deploy
from tests.program.test_program import deployed, run, without_secrets
from tests.stack_files import eks_valid, stack_config, with_value

EKS_STACKS = ("dev", "prod")
KEEPS_DATA = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:eks/cluster:Cluster",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
)
WITHOUT_TAGS = {
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sqs/queuePolicy:QueuePolicy",
}
"""Parts of something else, to which AWS gives no tags of their own."""
POLICY_FIELDS = ("policy", "assumeRolePolicy")


def everything() -> dict[str, Any]:
    """Settings that make every kind of AWS resource there is."""
    raw = eks_valid()
    cluster = raw["cluster"]
    cluster["autoscaler"] = "karpenter"
    cluster["network"] = {"nat": "per_zone", "interface_endpoints": ["sts", "ecr.api"], "flow_log_days": 7}
    cluster["admin_principals"] = ["arn:aws:iam::111122223333:role/admins"]
    key = "arn:aws:kms:us-west-2:111122223333:key/0a1b2c3d"
    cluster["weights_bucket"] = {"name": "acme-weights", "kms_key_arn": key}
    raw["models"]["chat"]["versions"]["v1"]["model"] = "s3://acme-weights/qwen3-8b"
    raw["pools"]["fast"] = {"instance_type": "c7a.4xlarge", "max": 1}
    raw["gateway"] = {"ingress": {"hostname": "llm.example.com", "certificate_arn": "arn:aws:acm:x"}}
    return raw


CASES = (*EKS_STACKS, "everything")


def settings_of(case: str) -> dict[str, Any]:
    return everything() if case == "everything" else stack_config(case)


@cache
def recorded(case: str) -> Deployment:
    """One run, looked at by many tests, none of which changes it."""
    return deployed(settings_of(case))


def of_aws(deployment: Deployment) -> list[Registration]:
    return [r for r in deployment if r.type.startswith("aws:")]


def default_tags(deployment: Deployment) -> dict[str, str]:
    (provider,) = deployment.of("pulumi:providers:aws")
    tags: dict[str, str] = json.loads(provider.inputs["defaultTags"])["tags"]
    return tags


def sdk_class(type_: str) -> type:
    """The SDK's class of a type token, as in aws:ec2/routeTable:RouteTable."""
    match = re.fullmatch(r"aws:([a-z0-9]+)/\w+:(\w+)", type_)
    assert match, type_
    found: type = getattr(importlib.import_module(f"pulumi_aws.{match[1]}"), match[2])
    return found


def statements(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    for registration in of_aws(deployment):
        for field in POLICY_FIELDS:
            text = registration.inputs.get(field)
            if text:
                yield from ((registration.name, s) for s in json.loads(text)["Statement"])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("case", CASES)
def test_every_aws_resource_is_on_our_provider_which_tags_it(case: str) -> None:
    raw = settings_of(case)
    deployment = recorded(case)
    tags = default_tags(deployment)
    assert tags["llmserve:cluster"] == raw["cluster"]["name"]
    assert tags["llmserve:environment"] == raw.get("environment", "development")
    assert tags["llmserve:managed-by"] == "pulumi"
    assert raw["cluster"].get("tags", {}).items() <= tags.items()
    assert of_aws(deployment)
    for registration in of_aws(deployment):
        assert "pulumi:providers:aws::aws::" in registration.provider, registration.name
        parameters = inspect.signature(getattr(sdk_class(registration.type), "_internal_init")).parameters  # noqa: B009
        assert ("tags" in parameters) is (registration.type not in WITHOUT_TAGS), registration.type


@pytest.mark.parametrize("case", CASES)
def test_what_nodes_start_with_is_tagged_too(case: str) -> None:
    deployment = recorded(case)
    tags = default_tags(deployment)
    templates = deployment.of("aws:ec2/launchTemplate:LaunchTemplate")
    assert templates
    for template in templates:
        given = {s["resourceType"]: s["tags"] for s in template.inputs["tagSpecifications"]}
        assert set(given) == set(TAGGED_AT_START)
        for kind in given:
            assert tags.items() <= given[kind].items(), template.name
    for node_class in deployment.of("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"):
        assert tags.items() <= node_class.inputs["spec"]["tags"].items()


@pytest.mark.parametrize("case", CASES)
def test_what_keeps_data_is_protected_exactly_when_the_setting_says_so(case: str) -> None:
    raw = settings_of(case)
    wanted = raw["cluster"].get("protect_data", True)
    kept = [r for r in recorded(case) if r.type in KEEPS_DATA]
    assert {r.type for r in kept} >= {*KEEPS_DATA} - {"aws:s3/bucket:Bucket"}
    assert [r.name for r in kept if r.protect is not wanted] == []


@pytest.mark.parametrize("stack", EKS_STACKS)
def test_everything_that_keeps_data_is_protected_by_default(stack: str) -> None:
    raw = stack_config(stack)
    raw["cluster"].pop("protect_data", None)
    assert [r.name for r in deployed(raw) if r.type in KEEPS_DATA and not r.protect] == []


def test_production_cannot_switch_protection_off() -> None:
    assert (
        stack_config("prod")["environment"] == "production"
    )  # where the rules refuse it (aws_mistakes.yaml)
    kept = [r for r in recorded("prod") if r.type in KEEPS_DATA]
    assert {r.type for r in kept} == {*KEEPS_DATA}
    assert all(r.protect for r in kept)


@pytest.mark.parametrize("case", CASES)
def test_no_permission_is_for_everything_without_a_written_reason(case: str) -> None:
    explained = {s.sid: s.reason for role in iam_documents.roles() for s in iam_documents.statements(role)}
    found = list(statements(recorded(case)))
    assert found
    for name, statement in found:
        assert statement["Effect"] in ("Allow", "Deny")
        if statement["Effect"] == "Deny":
            continue
        assert "NotAction" not in statement, name
        assert "NotResource" not in statement, name
        assert not [a for a in as_list(statement["Action"]) if a.endswith("*")], name
        if "*" in as_list(statement.get("Resource")):
            assert explained.get(statement["Sid"]), f"{name}.{statement['Sid']}"
        for principal in as_list(statement.get("Principal", {})):
            assert principal != "*", name


def test_pods_take_on_a_role_only_as_the_account_it_is_for() -> None:
    deployment = recorded("everything")
    bound = {
        r.inputs["serviceAccount"]: r.inputs["namespace"]
        for r in deployment.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    }
    assert bound == {
        "karpenter": "kube-system",
        "aws-load-balancer-controller": "kube-system",
        "chat-v1": "llmserve",
    }
    trust = json.loads(deployment.one("aws:iam/role:Role", "weights-reader").inputs["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:test:::cluster",
        "aws:RequestTag/kubernetes-namespace": "llmserve",
        "aws:RequestTag/kubernetes-service-account": ["chat-v1"],
    }
    policy = json.loads(deployment.one("aws:iam/rolePolicy:RolePolicy", "weights-reader").inputs["policy"])
    assert [s["Resource"] for s in policy["Statement"]] == [
        ["arn:aws:test:::weights"],
        ["arn:aws:test:::weights/*"],
        ["arn:aws:kms:us-west-2:111122223333:key/0a1b2c3d"],
    ]


@pytest.mark.parametrize("case", CASES)
def test_no_node_lets_its_pods_take_its_own_role(case: str) -> None:
    deployment = recorded(case)
    for template in deployment.of("aws:ec2/launchTemplate:LaunchTemplate"):
        assert template.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }
        (disk,) = template.inputs["blockDeviceMappings"]
        assert disk["ebs"]["encrypted"] == "true"


@pytest.mark.parametrize("case", CASES)
def test_the_kubeconfig_is_secret_wherever_it_goes(case: str) -> None:
    (provider,) = recorded(case).of("pulumi:providers:kubernetes")
    secret = provider.inputs["kubeconfig"]
    assert SECRET_SIGNATURE in secret
    config = json.loads(secret["value"])
    assert config["users"][0]["user"]["exec"]["args"][:2] == ["eks", "get-token"]
    assert "token" not in config["users"][0]["user"]


def test_nodes_come_after_the_add_ons_they_need_and_before_those_that_need_them() -> None:
    deployment = recorded("prod")
    groups = deployment.of("aws:eks/nodeGroup:NodeGroup")
    for group in groups:
        assert {f"addons-first-{n}" for n in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")} <= {
            *group.dependencies
        }
    for addon in ("coredns", "aws-ebs-csi-driver", "metrics-server", "eks-node-monitoring-agent"):
        needs = deployment.one("aws:eks/addon:Addon", f"addons-{addon}").dependencies
        assert {group.name for group in groups} <= {*needs}
    (provider,) = deployment.of("pulumi:providers:kubernetes")
    assert {group.name for group in groups} <= {*provider.dependencies}


def test_every_role_has_its_permissions_before_anything_uses_it() -> None:
    deployment = recorded("dev")
    cluster = deployment.one("aws:eks/cluster:Cluster", "cluster")
    assert {"cluster-role", "cluster-role-AmazonEKSClusterPolicy", "cluster-logs"} <= {*cluster.dependencies}
    group = deployment.one("aws:eks/nodeGroup:NodeGroup", "pool-l4")
    assert {"nodes", "nodes-AmazonEKSWorkerNodePolicy"} <= {*group.dependencies}


def test_karpenter_makes_gpu_pools_and_eks_makes_the_others() -> None:
    deployment = recorded("everything")
    assert {r.name for r in deployment.of("aws:eks/nodeGroup:NodeGroup")} == {"pool-system", "pool-fast"}
    (node_class,) = deployment.of("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass")
    assert node_class.inputs["spec"]["securityGroupSelectorTerms"] == [{"id": "sg-of-the-cluster"}]
    assert len(node_class.inputs["spec"]["subnetSelectorTerms"]) == 2
    assert deployment.one("kubernetes:karpenter.sh/v1:NodePool", "pool-l4-nodes")
    assert not deployment.of("kubernetes:karpenter.sh/v1:NodePool")[0].inputs["metadata"].get("namespace")


def test_an_existing_network_is_used_and_not_touched() -> None:
    subnets = {"us-west-2a": "subnet-0123456789abcdef0", "us-west-2b": "subnet-0123456789abcdef1"}
    network = {"vpc_id": "vpc-0123456789abcdef0", "private_subnets": subnets}
    deployment = deployed(with_value("cluster.network", network, eks_valid()))
    kinds = {r.type for r in of_aws(deployment) if r.type.startswith("aws:ec2/")}
    assert kinds == {"aws:ec2/launchTemplate:LaunchTemplate"}
    cluster = deployment.one("aws:eks/cluster:Cluster", "cluster").inputs
    assert cluster["vpcConfig"]["subnetIds"] == list(subnets.values())


def test_a_pools_size_changes_one_resource_and_a_tag_no_logical_name() -> None:
    before = {(r.type, r.name): r.inputs for r in deployed(eks_valid())}
    grown = {(r.type, r.name): r.inputs for r in deployed(with_value("pools.l4.max", 9, eks_valid()))}
    assert before.keys() == grown.keys()
    assert [name for name in before if before[name] != grown[name]] == [
        ("aws:eks/nodeGroup:NodeGroup", "pool-l4")
    ]
    tagged = {(r.type, r.name) for r in deployed(with_value("cluster.tags", {"team": "x"}, eks_valid()))}
    assert before.keys() == tagged


def test_the_preview_tells_cost_quotas_and_support() -> None:
    outputs = recorded("prod").outputs["cluster"]
    assert outputs["quota_vcpus"] == {"on-demand-g": 176, "on-demand-standard": 48, "spot-g": 32}
    assert outputs["standard_support_until"] == "2027-03-27"
    assert outputs["cost_usd_per_hour"]["control plane"] == {"min": 0.1, "max": 0.1}
    assert outputs["cost_usd_per_hour"]["in all"]["min"] < outputs["cost_usd_per_hour"]["in all"]["max"]


def test_secrets_come_from_secrets_manager_by_their_names_and_stay_secret() -> None:
    raw = with_value("secrets", {"source": "secrets-manager", "prefix": "acme/test/"}, eks_valid())
    asked = []

    def get_secret(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments["secretId"])
        tenants = json.dumps({tenant: f"sk-{tenant}-in-aws" for tenant in raw["tenants"]})
        value = tenants if arguments["secretId"].endswith("tenant_keys") else "sk-in-aws"
        return {"secretString": value, "id": "x", "arn": "arn"}

    token = "aws:secretsmanager/getSecretVersion:getSecretVersion"
    deployment = deploy(run, {"settings": raw}, {}, invokes={token: get_secret})
    assert sorted(asked) == [
        "acme/test/gateway_master_key",
        "acme/test/openai_api_key",
        "acme/test/tenant_keys",
    ]
    secret = deployment.one("kubernetes:core/v1:Secret", "gateway-environment")
    assert set(secret.manifest["stringData"].values()) == {"sk-in-aws"}
    assert "in-aws" not in str([without_secrets(r.inputs) for r in deployment])


def test_preview_and_up_register_the_same_resources_of_every_kind() -> None:
    preview = {(r.type, r.name) for r in deployed(everything(), preview=True)}
    assert preview == {(r.type, r.name) for r in recorded("everything")}
