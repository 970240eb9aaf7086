"""`aws eks get-token`, the command that a kubeconfig for EKS runs, for the local control plane."""

import json
import sys

from local.providers.aws.cloud import CLUSTER, Cloud
from local.providers.aws.machines import token
from local.providers.protocol import PluginError


def main() -> None:
    """Print a token as kubectl's exec protocol wants it; refuse every other command of aws."""
    arguments = sys.argv[1:]
    if arguments[:2] != ["eks", "get-token"] or "--cluster-name" not in arguments:
        sys.exit("this `aws` is the llmserve stand-in: it knows `eks get-token --cluster-name NAME` only")
    name = arguments[arguments.index("--cluster-name") + 1]
    try:
        if not Cloud().get(CLUSTER, name):
            sys.exit(f"ResourceNotFoundException: No cluster found for name: {name}.")
    except PluginError as error:
        sys.exit(str(error))
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {},
        "status": {"token": token()},
    }
    print(json.dumps(credential))
