"""How to reach an EKS cluster with kubectl: a token from the AWS command line, never a stored one. Pure."""

from typing import Any


def kubeconfig(name: str, region: str, endpoint: str, certificate: str) -> dict[str, Any]:
    """Return a kubeconfig with one context of the cluster's name; `certificate` is in base64."""
    command = ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate}}
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [
            {
                "name": name,
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": command,
                        "interactiveMode": "Never",
                    }
                },
            }
        ],
    }
