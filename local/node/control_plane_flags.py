"""What the API server needs to be let in by the nodes: a client certificate."""

from pathlib import Path


def api_server_flags(pki: Path) -> list[dict[str, str]]:
    """Entries for kwokctl's `extraArgs` of kube-apiserver; `pki` is the cluster's folder of that name."""
    authority, certificate, key = (str(pki / name) for name in ("ca.crt", "admin.crt", "admin.key"))
    return [
        {"key": "kubelet-client-certificate", "value": certificate},
        {"key": "kubelet-client-key", "value": key},
        {"key": "requestheader-client-ca-file", "value": authority},
        {"key": "requestheader-username-headers", "value": "X-Remote-User"},
        {"key": "requestheader-group-headers", "value": "X-Remote-Group"},
        {"key": "requestheader-extra-headers-prefix", "value": "X-Remote-Extra-"},
        {"key": "requestheader-allowed-names", "value": "kubernetes-admin"},
    ]
