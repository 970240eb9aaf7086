"""Stacks on EKS under the recorder, run once for many tests, and what tests ask of such a run."""

import importlib
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.program.harness import Deployment, Registration
from tests.program.test_program import deployed
from tests.stack_files import eks_valid, stack_config

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
    raw["platform"] = {"external_secrets": True}
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
