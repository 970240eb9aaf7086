"""The kubeconfig of the laptop's control plane: one context, certificates inside, nothing outside touched."""

import base64
import json
from pathlib import Path

from local.private import write_private


def write(path: Path, context: str, server: str, pki: Path) -> None:
    """Write a kubeconfig with the admin certificate of `pki`, readable by its owner only."""

    def data(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}}
        ],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": data("admin.crt"),
                    "client-key-data": data("admin.key"),
                },
            }
        ],
    }
    write_private(path, json.dumps(content, indent=1))
