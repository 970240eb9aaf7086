"""IAM documents: places filled in, reasons demanded, trust held to one account."""

import json

import pytest

from components.aws import iam_documents
from components.aws.iam_documents import Statement, managed_policy, pod_trust, policy, roles, statements
from components.aws.spec import PodIdentity

PLACES = {
    "partition": "aws",
    "region": "us-west-2",
    "cluster": "test",
    "secrets": ["llmserve/one-??????", "llmserve/two-??????"],
    "bucket": "arn:aws:s3:::weights",
    "queue": "arn:aws:sqs:us-west-2:1:test",
    "node_role": "arn:aws:iam::1:role/test-nodes",
    "cluster_arn": "arn:aws:eks:us-west-2:1:cluster/test",
    "log_group": "arn:aws:logs:us-west-2:1:log-group:flow",
    "key": "arn:aws:kms:us-west-2:1:key/k",
}
MAX_INLINE_CHARACTERS = 10_240
"""All inline policies of a role together, white space not counted (IAM User Guide, IAM and STS quotas)."""


@pytest.mark.parametrize("role", roles())
def test_every_place_of_every_policy_is_filled_in(role: str) -> None:
    text = json.dumps(policy(role, **PLACES), separators=(",", ":"))
    assert "{" + "partition" not in text
    assert not [place for place in PLACES if "{" + place + "}" in text]
    assert len(text) < MAX_INLINE_CHARACTERS


@pytest.mark.parametrize("role", roles())
def test_no_action_has_a_wildcard_and_sids_are_unique(role: str) -> None:
    found = statements(role)
    assert not [action for s in found for action in s.actions if "*" in action]
    assert len({s.sid for s in found}) == len(found)
    assert all(s.sid.isalnum() for s in found), "IAM takes letters and digits only"


def test_a_missing_place_is_named() -> None:
    with pytest.raises(KeyError, match="bucket"):
        policy("weights-reader")


def test_everything_as_a_resource_without_a_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"x": {"statements": [{"sid": "All", "actions": ["s3:GetObject"], "resources": ["*"]}]}}
    monkeypatch.setattr(iam_documents, "_data", lambda: rows)
    statements.cache_clear()
    with pytest.raises(ValueError, match=r"x\.All has the resource \* and no reason"):
        statements("x")
    statements.cache_clear()


def test_reading_weights_is_all_a_model_may_do() -> None:
    assert statements("weights-reader") == (
        Statement(
            sid="ListWeights", actions=("s3:ListBucket", "s3:GetBucketLocation"), resources=("{bucket}",)
        ),
        Statement(sid="ReadWeights", actions=("s3:GetObject",), resources=("{bucket}/*",)),
    )


def test_pods_are_trusted_by_cluster_namespace_and_account() -> None:
    document = pod_trust("arn:c", PodIdentity(namespace="llmserve", service_accounts=("b", "a")))
    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:RequestTag/eks-cluster-arn": "arn:c",
                    "aws:RequestTag/kubernetes-namespace": "llmserve",
                    "aws:RequestTag/kubernetes-service-account": ["a", "b"],
                }
            },
        }
    ]


def test_only_the_named_rules_may_fill_the_queue() -> None:
    send, deny = iam_documents.queue_policy("arn:q", ["arn:r1", "arn:r2"])["Statement"]
    assert send["Condition"] == {"ArnEquals": {"aws:SourceArn": ["arn:r1", "arn:r2"]}}
    assert deny["Effect"] == "Deny"


@pytest.mark.parametrize(
    ("region", "partition"), [("us-west-2", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_arns_carry_the_partition_of_their_region(region: str, partition: str) -> None:
    assert managed_policy(region, "X") == f"arn:{partition}:iam::aws:policy/X"
