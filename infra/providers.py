"""The providers, made once and passed down; the default ones are disabled in every stack file."""

import pulumi_kubernetes as k8s

from infra.stackfile.stack import ClusterSettings


def kubernetes_provider(cluster: ClusterSettings) -> k8s.Provider:
    """Return the provider for the cluster's kubeconfig context.

    Secrets are changed in place, so that a rotated tenant key reaches the gateway without a restart, and an
    object left behind by an `up` that was killed is taken over by the next one instead of failing it (a field
    that somebody else owns is still a conflict).
    """
    return k8s.Provider(
        "kubernetes",
        context=cluster.context,
        enable_secret_mutable=True,
        upsert_existing_objects=True,
    )
