"""Names in AWS that are fixed. Pure.

Roles are named by cluster and purpose, because people look for them and guard rails match on them. Such names
are unique in an account: two clusters of one account need two names, also in different regions.
"""

from typing import Final, Literal, get_args

RoleName = Literal[
    "cluster",
    "nodes",
    "flow-logs",
    "vpc-cni",
    "ebs-csi",
    "weights-reader",
    "cluster-autoscaler",
    "karpenter",
    "load-balancer-controller",
    "external-secrets",
]
ROLES: Final[tuple[RoleName, ...]] = get_args(RoleName)
MAX_ROLE_NAME_LENGTH: Final = 64
"""IAM User Guide, IAM and STS quotas."""
MAX_CLUSTER_NAME_LENGTH: Final = MAX_ROLE_NAME_LENGTH - 1 - max(map(len, ROLES))

SYSTEM_NAMESPACE: Final = "kube-system"
"""Where core add-ons run."""


def role_name(cluster: str, role: RoleName) -> str:
    """Name of an IAM role of a cluster."""
    return f"{cluster}-{role}"
