"""Rules about an EKS cluster: its name, zones, version, doors, add-ons and data. Pure."""

import re
from collections.abc import Iterator
from datetime import date

from components.aws.naming import MAX_CLUSTER_NAME_LENGTH
from components.aws.subnets import network
from infra.checks_network import check_network
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.eks import addon_versions, core_addons, support_calendar, support_findings
from planner.finding import Finding, error, nearest, warning
from planner.quota import known_quotas

_CLUSTER_NAME = re.compile(r"[0-9A-Za-z][-_0-9A-Za-z]*")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+")
_ADDON_VERSION = re.compile(r"v\d+\.\d+\.\d+-eksbuild\.\d+")
_BUCKET = re.compile(r"(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9]([a-z0-9.-]{1,61}[a-z0-9])(?<!-s3alias)")
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:key/[0-9a-f-]+")
_MAX_TAGS = 40
"""AWS allows 50 on a resource; EKS, EC2 and we add some."""


def check_cluster(settings: StackSettings, cluster: EksClusterSettings, today: date) -> Iterator[Finding]:
    """Findings about the cluster and what lies below it, in the order of the file."""
    yield from _name(cluster)
    yield from _zones(settings, cluster)
    yield from support_findings(cluster.kubernetes_version, today, "cluster.kubernetes_version")
    yield from check_network(settings, cluster)
    yield from _doors(cluster)
    yield from _addons(cluster)
    yield from _quotas(cluster)
    yield from _bucket(cluster)
    yield from _weights(settings, cluster)
    yield from _tags(cluster)


def _name(cluster: EksClusterSettings) -> Iterator[Finding]:
    if _CLUSTER_NAME.fullmatch(cluster.name) is None:
        yield error(
            "cluster.name",
            f"{cluster.name!r} cannot name an EKS cluster",
            "use letters, digits, dashes and underscores, starting with a letter or digit",
        )
    if len(cluster.name) > MAX_CLUSTER_NAME_LENGTH:
        yield error(
            "cluster.name",
            f"has {len(cluster.name)} characters, which makes names of IAM roles longer than AWS allows",
            f"use {MAX_CLUSTER_NAME_LENGTH} or fewer",
        )


def _zones(settings: StackSettings, cluster: EksClusterSettings) -> Iterator[Finding]:
    path, zones = "cluster.availability_zones", cluster.availability_zones
    for zone in zones:
        if re.fullmatch(re.escape(cluster.region) + "[a-z]", zone) is None:
            yield error(path, f"{zone!r} is not a zone of {cluster.region}", f"as in {cluster.region}a")
    if len(set(zones)) < len(zones):
        yield error(path, "names a zone twice", "name each once")
    if len(set(zones)) < 2:
        yield error(path, f"has {len(set(zones))}, and EKS needs two", "name two or more")
    elif len(zones) < 3 and settings.environment == "production":
        yield warning(path, f"are {len(zones)} in production", "name three: losing one then takes a third")


def _doors(cluster: EksClusterSettings) -> Iterator[Finding]:
    path = "cluster.public_access_cidrs"
    for cidr in cluster.public_access_cidrs:
        try:
            network(cidr)
        except ValueError as problem:
            yield error(path, str(problem), "name the networks you work from")
    for principal in cluster.admin_principals:
        if _PRINCIPAL.fullmatch(principal) is None:
            wanted = "name a role or user, as in arn:aws:iam::111122223333:role/admins; not a session of it"
            yield error("cluster.admin_principals", f"{principal!r} is not an IAM role or user", wanted)
    if len(set(cluster.admin_principals)) < len(cluster.admin_principals):
        yield error("cluster.admin_principals", "names a principal twice", "EKS takes each once")


def _addons(cluster: EksClusterSettings) -> Iterator[Finding]:
    for name, version in cluster.addons.items():
        path = f"cluster.addons.{name}"
        if name not in core_addons():
            fix = f"{nearest(name, core_addons())} Everything else comes as a chart"
            yield error(path, "is not a core add-on", fix)
        elif _ADDON_VERSION.fullmatch(version) is None:
            yield error(path, f"{version!r} is not a version of an add-on", "as in v1.14.2-eksbuild.4")
    if cluster.kubernetes_version not in support_calendar():
        return  # told by its own rule
    missing = sorted(
        set(core_addons()) - set(addon_versions(cluster.kubernetes_version)) - set(cluster.addons)
    )
    if missing:
        yield error(
            "cluster.addons",
            f"lacks {', '.join(missing)}: none are pinned for Kubernetes {cluster.kubernetes_version}",
            f"aws eks describe-addon-versions --kubernetes-version {cluster.kubernetes_version} lists them",
        )


def _quotas(cluster: EksClusterSettings) -> Iterator[Finding]:
    known = {quota.code: quota.name for quota in known_quotas()}
    for code in cluster.vcpu_quotas:
        if code not in known:
            names = "; ".join(f"{code} {name}" for code, name in known.items())
            yield error(f"cluster.vcpu_quotas.{code}", "is not the code of a quota", f"known: {names}")


def _bucket(cluster: EksClusterSettings) -> Iterator[Finding]:
    bucket = cluster.weights_bucket
    if bucket is None:
        return
    path = "cluster.weights_bucket"
    if _BUCKET.fullmatch(bucket.name) is None or ".." in bucket.name:
        wanted = "use 3 to 63 lower-case letters, digits, dots and dashes"
        shown = (
            bucket.name
            if len(bucket.name) <= 63
            else f"{bucket.name[:20]}... ({len(bucket.name)} characters)"
        )
        yield error(f"{path}.name", f"{shown!r} cannot name a bucket", wanted)
    if bucket.kms_key_arn is not None:
        match = _KEY_ARN.fullmatch(bucket.kms_key_arn)
        if match is None:
            wanted = "give the ARN, as in arn:aws:kms:us-west-2:111122223333:key/..."
            yield error(f"{path}.kms_key_arn", f"{bucket.kms_key_arn!r} is not a KMS key", wanted)
        elif match["region"] != cluster.region:
            there = f"lies in {match['region']}, the bucket in {cluster.region}"
            yield error(f"{path}.kms_key_arn", there, "name a key of the bucket's region")


def _weights(settings: StackSettings, cluster: EksClusterSettings) -> Iterator[Finding]:
    """Versions whose weights nobody may read, or whose cache no second node could mount."""
    own = cluster.weights_bucket.name if cluster.weights_bucket else None
    for model_name, model in settings.models.items():
        if not isinstance(model, ServedModelSettings):
            continue
        for name, version in model.versions.items():
            path = f"models.{model_name}.versions.{name}"
            address = version.model.removeprefix("s3://")
            if address != version.model and address.split("/")[0] != own:
                fix = f"put them into {own}" if own else "set cluster.weights_bucket"
                yield error(f"{path}.model", "lies in a bucket that no role of this stack may read", fix)
            if version.cache.kind == "pvc" and cluster.storage_class is None:
                message = "needs a class that many nodes can mount, and EKS has none by itself"
                yield error("cluster.storage_class", f"is missing, and {path}.cache {message}", "name one")


def _tags(cluster: EksClusterSettings) -> Iterator[Finding]:
    if len(cluster.tags) > _MAX_TAGS:
        yield error("cluster.tags", f"are {len(cluster.tags)}", f"use {_MAX_TAGS} or fewer")
    for key, value in cluster.tags.items():
        if key.lower().startswith("aws:"):
            yield error(f"cluster.tags.{key}", "starts with aws:, which AWS keeps for itself", "rename it")
        elif not 1 <= len(key) <= 128 or len(value) > 256:
            yield error(
                f"cluster.tags.{key}", "is too long", "keys have 1 to 128 characters, values up to 256"
            )
