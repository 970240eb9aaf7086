"""`aws eks get-token`, the command that a kubeconfig for EKS runs, for the local control plane."""

import json
import sys

from local.layout import EKS_TOKENS
from local.providers.aws.cloud import CLUSTER, Cloud, kubeconfig


def main() -> None:
    """Print a token as kubectl's exec protocol wants it; refuse every other command of aws."""
    arguments = sys.argv[1:]
    if arguments[:2] != ["eks", "get-token"] or "--cluster-name" not in arguments:
        sys.exit("this `aws` is the llmserve stand-in: it knows `eks get-token --cluster-name NAME` only")
    name = arguments[arguments.index("--cluster-name") + 1]
    if not Cloud().get(CLUSTER, name):
        sys.exit(f"ResourceNotFoundException: No cluster found for name: {name}.")
    secret = kubeconfig().with_name(EKS_TOKENS).read_text(encoding="utf-8").split(",")[0]
    protocol = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential"}
    print(json.dumps({**protocol, "spec": {}, "status": {"token": secret}}))
