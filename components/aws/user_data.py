"""What a node is told at its first start: local NVMe as one volume, images pulled in parallel. Pure."""

import base64
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart

import yaml

from components.aws.spec import PoolSpec

_BOUNDARY = "llmserve"
_BIND = "/var/lib/containerd /var/lib/kubelet /var/log/pods /var/lib/soci-snapshotter"
"""What lies on Bottlerocket's local NVMe (Bottlerocket, bootstrap commands)."""
_PARALLEL_PULL = """\
[settings.container-runtime]
snapshotter = "soci"

[settings.container-runtime-plugins.soci-snapshotter]
pull-mode = "parallel-pull-unpack"

[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]
max-concurrent-downloads-per-image = 20
concurrent-download-chunk-size = "16mb"
max-concurrent-unpacks-per-image = 12
discard-unpacked-layers = true
"""
"""Numbers of chrismld's node class for inference, which was measured with them."""


def user_data(pool: PoolSpec) -> str | None:
    """User data in clear; None where the image's defaults are right.

    Karpenter sets the NVMe up by a field of its own, so that there only the pulling is told.
    """
    nvme = pool.nvme and not pool.karpenter
    parallel = pool.gpus > 0
    if not (nvme or parallel):
        return None
    if pool.image == "bottlerocket":
        parts = [_nvme_commands()] if nvme else []
        return "\n".join([*parts, *([_PARALLEL_PULL] if parallel else [])])
    return _node_config(nvme=nvme, parallel=parallel)


def encoded(text: str) -> str:
    """Base64, as EC2 launch templates want it."""
    return base64.b64encode(text.encode()).decode()


def _node_config(*, nvme: bool, parallel: bool) -> str:
    """A MIME document with a NodeConfig, which EKS merges with its own (nodeadm api.md and examples.md)."""
    spec = {
        **({"instance": {"localStorage": {"strategy": "RAID0"}}} if nvme else {}),
        **({"featureGates": {"FastImagePull": True}} if parallel else {}),
    }
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}
    part = MIMENonMultipart("application", "node.eks.aws")
    part.set_payload(yaml.safe_dump(config, sort_keys=False))
    document = MIMEMultipart("mixed", boundary=_BOUNDARY)
    document.attach(part)
    return document.as_string()


def _nvme_commands() -> str:
    directories = ", ".join(f'"{path}"' for path in _BIND.split())
    return (
        "[settings.bootstrap-commands.nvme]\n"
        f'commands = [["apiclient", "ephemeral-storage", "init"], '
        f'["apiclient", "ephemeral-storage", "bind", "--dirs", {directories}]]\n'
        "essential = true\n"
        'mode = "always"\n'
    )
