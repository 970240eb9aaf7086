"""The providers, made once and passed down; the default ones are disabled in every stack file."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s
from pulumi_aws.provider import Provider as AwsProvider

from infra.stackfile.cluster import EksClusterSettings


def aws_provider(cluster: EksClusterSettings, tags: Mapping[str, str]) -> AwsProvider:
    """Return the provider for the cluster's region, which tags everything; held to one account if told."""
    return AwsProvider(
        "aws",
        region=cluster.region,
        default_tags={"tags": dict(tags)},
        allowed_account_ids=[cluster.account_id] if cluster.account_id else None,
    )


def context_provider(context: str) -> k8s.Provider:
    """Return the provider for a kubeconfig context of this machine."""
    return _kubernetes(context=context)


def eks_provider(name: str, kubeconfig: pulumi.Output[str], needs: Sequence[pulumi.Resource]) -> k8s.Provider:
    """Return the provider for a cluster of ours. `needs` are there before pods and go after them.

    The cluster's name identifies it, so that a changed kubeconfig replaces no object.
    """
    return _kubernetes(
        kubeconfig=kubeconfig,
        cluster_identifier=name,
        opts=pulumi.ResourceOptions(depends_on=list(needs)),
    )


def _kubernetes(
    *,
    context: str | None = None,
    kubeconfig: pulumi.Output[str] | None = None,
    cluster_identifier: str | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> k8s.Provider:
    """Secrets are changed in place, so that a rotated tenant key reaches the gateway without a restart.

    An object left behind by an `up` that was killed is taken over by the next one instead of failing it (a
    field that somebody else owns is still a conflict).
    """
    return k8s.Provider(
        "kubernetes",
        context=context,
        kubeconfig=kubeconfig,
        cluster_identifier=cluster_identifier,
        enable_secret_mutable=True,
        upsert_existing_objects=True,
        opts=opts,
    )
