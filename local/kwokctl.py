"""kwokctl: its configuration, with every trap of version 0.8 avoided, and how it is run."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.errors import LocalError
from local.node.control_plane_flags import api_server_flags
from local.nodes import KWOK_ANNOTATION
from local.ports import LOOPBACK

TIMEOUT_SECONDS = 120
SERVICE_CIDR = "10.96.0.0/16"
"""Room for 65,000 Services; the API server's own default ends at 254."""
SCALER_PERIOD = "5s"
"""How often autoscalers look; at the default 15 s the first `up` would wait half a minute for their least."""
ALONE = {"key": "leader-elect", "value": "false"}
"""There is one of each, so it need not write every two seconds that it leads."""
COLLECT_OFTEN = {"name": "GOGC", "value": "60"}
"""Memory for a little time: the heap may grow by less than the usual 100 % before it is collected."""


def configuration(programs: Path, listen: dict[str, int], pki: Path, tokens: Path) -> dict[str, Any]:
    """Return kwokctl's configuration; `pki` is where kwokctl keeps the cluster's certificates. Pure.

    `tokens` is the API server's file of static tokens, for kubeconfigs that run `aws eks get-token`.

    `override` replaces an argument kwokctl sets and drops one it does not set: new ones go without it.
    No `KwokConfiguration` and no Stage may be added: the first makes kwok exit silently, the second drops
    kwok's own stages. Arguments are patched here because `--extra-args` panics on a repeated component.
    """
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "runtime": "binary",
            "bindAddress": LOOPBACK,
            "securePort": True,
            "kubeAuthorization": True,
            "kubeAdmission": True,
            "disableQPSLimits": True,
            "heartbeatFactor": 1,
            "kubeApiserverPort": listen["kube-apiserver"],
            "etcdPort": listen["etcd"],
            "etcdPeerPort": listen["etcd-peer"],
            "kubeControllerManagerPort": listen["kube-controller-manager"],
            "kubeSchedulerPort": listen["kube-scheduler"],
            "kwokControllerPort": listen["kwok"],
            "etcdBinary": str(programs / "etcd"),
            "kubeApiserverBinary": str(programs / "kube-apiserver"),
            "kubeControllerManagerBinary": str(programs / "kube-controller-manager"),
            "kubeSchedulerBinary": str(programs / "kube-scheduler"),
            "kubectlBinary": str(programs / "kubectl"),
            "kwokControllerBinary": str(programs / "kwok"),
        },
        "componentsPatches": [
            {
                "name": "kube-apiserver",
                "extraArgs": [
                    {"key": "service-cluster-ip-range", "value": SERVICE_CIDR},
                    {"key": "token-auth-file", "value": str(tokens)},
                    *api_server_flags(pki),
                ],
                "extraEnvs": [COLLECT_OFTEN],
            },
            {
                "name": "kube-controller-manager",
                "extraArgs": [
                    {"key": "horizontal-pod-autoscaler-sync-period", "value": SCALER_PERIOD},
                    ALONE,
                ],
                "extraEnvs": [COLLECT_OFTEN],
            },
            {"name": "kube-scheduler", "extraArgs": [ALONE], "extraEnvs": [COLLECT_OFTEN]},
            {
                "name": "kwok-controller",
                "extraArgs": [
                    {"key": "manage-all-nodes", "value": "false", "override": True},
                    {
                        "key": "manage-nodes-with-annotation-selector",
                        "value": f"{KWOK_ANNOTATION}=fake",
                    },
                ],
            },
        ],
    }


def run(program: Path, arguments: Sequence[str], environment: Mapping[str, str], *, check: bool) -> None:
    """Run kwokctl; with `check`, raise LocalError with its own last words if it fails."""
    try:
        result = subprocess.run(
            [program, *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise LocalError(f"kwokctl {arguments[0]} did not end in {TIMEOUT_SECONDS} s") from None
    if check and result.returncode != 0:
        tail = "\n".join((result.stderr or result.stdout).strip().splitlines()[-8:])
        raise LocalError(f"kwokctl {arguments[0]} failed:\n{tail}")
