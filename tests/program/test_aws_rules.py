"""What holds for everything in AWS: tags, protection, permissions, providers."""

import inspect
import json

import pytest

from components.aws import iam_documents
from components.aws.pool_arguments import TAGGED_AT_START
from tests.program.aws_cases import (
    CASES,
    EKS_STACKS,
    KEEPS_DATA,
    WITHOUT_TAGS,
    as_list,
    default_tags,
    of_aws,
    recorded,
    sdk_class,
    settings_of,
    statements,
)
from tests.program.harness import SECRET_SIGNATURE
from tests.program.test_program import deployed
from tests.stack_files import stack_config


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
        "external-secrets": "external-secrets",
        "chat-v1": "llmserve",
    }
    trust = json.loads(deployment.one("aws:iam/role:Role", "weights-reader").inputs["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:000000000000:cluster/test",
        "aws:RequestTag/kubernetes-namespace": "llmserve",
        "aws:RequestTag/kubernetes-service-account": ["chat-v1"],
    }
    policy = json.loads(deployment.one("aws:iam/rolePolicy:RolePolicy", "weights-reader").inputs["policy"])
    assert [s["Resource"] for s in policy["Statement"]] == [
        ["arn:aws:s3:::acme-weights"],
        ["arn:aws:s3:::acme-weights/*"],
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
