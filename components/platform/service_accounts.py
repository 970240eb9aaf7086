"""Service accounts of the charts that talk to AWS: what a Pod Identity association has to name. Pure.

Each is the account its chart creates by default; the values set the same name, so that a role and its pods
cannot disagree.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlatformServiceAccount:
    """One service account by namespace and name."""

    namespace: str
    name: str


AWS_LOAD_BALANCER_CONTROLLER = PlatformServiceAccount("kube-system", "aws-load-balancer-controller")
"""Makes load balancers and target groups for Ingresses."""
KARPENTER = PlatformServiceAccount("kube-system", "karpenter")
"""Launches and ends EC2 instances."""
CLUSTER_AUTOSCALER = PlatformServiceAccount("kube-system", "cluster-autoscaler")
"""Sets the desired size of Auto Scaling groups."""
EXTERNAL_SECRETS = PlatformServiceAccount("external-secrets", "external-secrets")
"""Reads secrets of AWS Secrets Manager."""

BY_WORKLOAD = {
    "aws-load-balancer-controller": AWS_LOAD_BALANCER_CONTROLLER,
    "karpenter": KARPENTER,
    "cluster-autoscaler": CLUSTER_AUTOSCALER,
    "external-secrets": EXTERNAL_SECRETS,
}
"""Every account by the workload's name, which is also its name in `platform` settings where it has one."""
