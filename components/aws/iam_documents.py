"""IAM documents as plain dicts; what a role may do stands in `policies.yaml`. Pure."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from components.aws.spec import PodIdentity

Document = dict[str, Any]
_VERSION = "2012-10-17"


class Statement(BaseModel):
    """One permission, with the reason where it is not held to a resource."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str | list[str]]] = {}
    reason: str | None = None
    """Why the resource is `*`."""


@cache
def statements(role: str) -> tuple[Statement, ...]:
    """Statements of a role of `policies.yaml`, places not filled in.

    Raises ValueError where one may do something to everything and nobody wrote why.
    """
    found = tuple(Statement(**row) for row in _data()[role]["statements"])
    for statement in found:
        if "*" in statement.resources and not statement.reason:
            raise ValueError(f"policies.yaml: {role}.{statement.sid} has the resource * and no reason")
    return found


def roles() -> tuple[str, ...]:
    """Names of all roles with statements."""
    return tuple(_data())


def policy(role: str, **places: str | Sequence[str]) -> Document:
    """The permissions of a role with every `{place}` filled in; KeyError names one that is missing.

    A place that is a list makes a resource of each of its elements.
    """
    return {
        "Version": _VERSION,
        "Statement": [_rendered(statement, places) for statement in statements(role)],
    }


def merged(*documents: Document) -> Document:
    """One document with the statements of all."""
    return {"Version": _VERSION, "Statement": [s for document in documents for s in document["Statement"]]}


def service_trust(service: str) -> Document:
    """Who may take on a role: one AWS service."""
    return {"Version": _VERSION, "Statement": [_trust(service, ["sts:AssumeRole"], {})]}


def pod_trust(cluster_arn: str, identity: PodIdentity) -> Document:
    """Who may take on a role: pods of these service accounts of this cluster, through EKS Pod Identity.

    The tags are those Pod Identity asks STS to set (Amazon EKS User Guide, pod identity session tags).
    """
    tags = {
        "aws:RequestTag/eks-cluster-arn": cluster_arn,
        "aws:RequestTag/kubernetes-namespace": identity.namespace,
        "aws:RequestTag/kubernetes-service-account": sorted(identity.service_accounts),
    }
    trust = _trust("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"], {"StringEquals": tags})
    return {"Version": _VERSION, "Statement": [trust]}


def tls_only(bucket_arn: str) -> Document:
    """A bucket's policy that refuses requests without TLS, whoever makes them."""
    return {"Version": _VERSION, "Statement": [_deny_clear("s3:*", [bucket_arn, f"{bucket_arn}/*"])]}


def queue_policy(queue_arn: str, rule_arns: Sequence[str]) -> Document:
    """A queue's policy: the named EventBridge rules may send, and nobody without TLS."""
    send = {
        "Sid": "SendEvents",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
    }
    return {"Version": _VERSION, "Statement": [send, _deny_clear("sqs:*", [queue_arn])]}


def partition(region: str) -> str:
    """The AWS partition of a region, the second part of its ARNs."""
    for start, name in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(start):
            return name
    return "aws"


def managed_policy(region: str, name: str) -> str:
    """ARN of a policy that AWS keeps."""
    return f"arn:{partition(region)}:iam::aws:policy/{name}"


def _deny_clear(action: str, resources: list[str]) -> dict[str, Any]:
    return {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _trust(service: str, actions: list[str], condition: Mapping[str, Any]) -> dict[str, Any]:
    conditions = {"Condition": dict(condition)} if condition else {}
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, **conditions}


def _rendered(statement: Statement, given: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    lists = {name: value for name, value in given.items() if not isinstance(value, str)}
    places = {name: value for name, value in given.items() if isinstance(value, str)}
    conditions = {
        operator: {key.format_map(places): _filled(value, places) for key, value in keys.items()}
        for operator, keys in statement.conditions.items()
    }
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": [
            resource.format_map(places | each)
            for resource in statement.resources
            for each in _elements(resource, lists)
        ],
        **({"Condition": conditions} if conditions else {}),
    }


def _elements(resource: str, lists: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """What to fill in beside the plain places: each element of the one list a resource names, or nothing."""
    named = [name for name in lists if f"{{{name}}}" in resource]
    return [{name: element} for name in named for element in lists[name]] or [{}]


def _filled(value: str | list[str], places: Mapping[str, str]) -> str | list[str]:
    if isinstance(value, str):
        return value.format_map(places)
    return [part.format_map(places) for part in value]


@cache
def _data() -> dict[str, Any]:
    text = files("components").joinpath("aws/policies.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
