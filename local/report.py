"""What runs on the laptop, as plain data and as tables."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from components.naming import GPU_RESOURCE, POOL_LABEL
from local import cluster
from local.engine import Engine
from local.kubectl import Kubectl
from local.layout import Layout
from local.plugins import Plugins
from local.stack_config import MASTER_KEY, TENANT_KEYS

Object = Mapping[str, Any]


def outputs(engine: Engine, stack: str) -> dict[str, Any]:
    """Return the outputs of the stack's last `up`; empty if there was none."""
    result: dict[str, Any] = json.loads(engine.read("stack", "output", "--json", "--stack", stack))
    return result


def namespace(outputs: Object) -> str:
    """Return the namespace everything is in."""
    return str(outputs["gateway"]["service"]).split(".")[1]


def is_ready(pod: Object) -> bool:
    """Whether the pod is Ready, or has done its work."""
    status = pod.get("status", {})
    conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
    return status.get("phase") == "Succeeded" or conditions.get("Ready") == "True"


def scalers_behind(scalers: Sequence[Object]) -> list[str]:
    """Return the autoscalers whose workload has fewer replicas than their least."""
    return [
        item["metadata"]["name"]
        for item in scalers
        if item.get("status", {}).get("currentReplicas", 0) < item["spec"].get("minReplicas", 1)
    ]


def why_not_ready(pod: Object) -> str:
    """Return the words Kubernetes gives for a pod that is not Ready."""
    status = pod.get("status", {})
    messages = [item["message"] for item in status.get("conditions", []) if item.get("message")]
    return messages[0] if messages else f"phase {status.get('phase', 'unknown')}"


def collect(layout: Layout, outputs: Object) -> dict[str, Any]:
    """Ask the control plane what runs."""
    status = cluster.status(layout.state, layout.programs)
    found: dict[str, Any] = {
        "control_plane": {"ready": status.ready, "server": status.server, "components": status.components},
        "nodes": [],
        "pods": {"ready": 0, "total": 0},
        "models": [],
        "gateway": outputs.get("gateway"),
    }
    if not status.ready:
        return found
    kubectl = Kubectl(layout.programs / "kubectl", layout.state / "kubeconfig")
    pods = kubectl.list("pods", "--all-namespaces")
    found["pods"] = {"ready": sum(map(is_ready, pods)), "total": len(pods)}
    found["nodes"] = node_rows(kubectl.list("nodes", "-l", POOL_LABEL), pods)
    if outputs:
        deployments = kubectl.list("deployments", "-n", namespace(outputs))
        found["models"] = model_rows(outputs["models"], deployments)
    return found


def node_rows(nodes: Sequence[Object], pods: Sequence[Object]) -> list[dict[str, Any]]:
    """Return one row per node: pool, type, GPUs there and asked for by its pods. Pure."""
    used: Counter[str] = Counter()
    for pod in pods:
        for container in pod["spec"]["containers"]:
            gpus = container.get("resources", {}).get("limits", {}).get(GPU_RESOURCE, 0)
            used[pod["spec"].get("nodeName", "")] += int(gpus)
    return [
        {
            "name": node["metadata"]["name"],
            "pool": node["metadata"]["labels"][POOL_LABEL],
            "instance_type": node["metadata"]["labels"]["node.kubernetes.io/instance-type"],
            "ready": is_ready(node),
            "gpus": int(node["status"]["allocatable"].get(GPU_RESOURCE, 0)),
            "gpus_used": used[node["metadata"]["name"]],
        }
        for node in sorted(nodes, key=lambda item: str(item["metadata"]["name"]))
    ]


def model_rows(models: Object, deployments: Sequence[Object]) -> list[dict[str, Any]]:
    """Return one row per model and version; None for the replicas of an external provider. Pure."""
    by_name = {item["metadata"]["name"]: item for item in deployments}
    rows = []
    for model, versions in models.items():
        for version, row in versions.items():
            ready, wanted = _replicas(row, by_name)
            rows.append(
                {
                    "model": model,
                    "version": version,
                    "engine": row["engine"],
                    "pool": row.get("pool"),
                    "weight_percent": row["weight_percent"],
                    "ready": ready,
                    "wanted": wanted,
                }
            )
    return rows


def _replicas(row: Object, deployments: Mapping[str, Object]) -> tuple[int | None, int | None]:
    """Return replicas ready and wanted; a Deployment that is not there has none ready."""
    if "service" not in row:
        return None, None
    deployment = deployments.get(row["service"].split(".")[0])
    if deployment is None:
        return 0, row["replicas"]["min"]
    return deployment["status"].get("readyReplicas", 0), deployment["spec"]["replicas"]


def show(found: Object, console: Console) -> None:
    """Print the tables."""
    plane = found["control_plane"]
    if not plane["ready"]:
        alive = ", ".join(plane["components"]) or "nothing"
        console.print(
            f"control plane: not ready ({alive} running); `make up` starts it",
            highlight=False,
            soft_wrap=True,
        )
        return
    models = Table("model", "version", "engine", "pool", "weight", "replicas ready", title="models")
    for row in found["models"]:
        external = row["wanted"] is None
        replicas = "external" if external else f"{row['ready']}/{row['wanted']}"
        weight = f"{row['weight_percent']} %"
        models.add_row(row["model"], row["version"], row["engine"], row["pool"] or "-", weight, replicas)
    nodes = Table("node", "pool", "instance type", "GPUs used", "state", title="nodes")
    for row in found["nodes"]:
        gpus = f"{row['gpus_used']}/{row['gpus']}" if row["gpus"] else "-"
        state = "Ready" if row["ready"] else "not Ready"
        nodes.add_row(row["name"], row["pool"], row["instance_type"], gpus, state)
    console.print(models)
    console.print(nodes)
    console.print(
        f"pods: {found['pods']['ready']} of {found['pods']['total']} Ready", highlight=False, soft_wrap=True
    )
    console.print(f"Kubernetes API: {plane['server']}", highlight=False, soft_wrap=True)
    if found["gateway"]:
        console.print(
            f"gateway, inside the cluster: {found['gateway']['url']}", highlight=False, soft_wrap=True
        )


def show_simulated(layout: Layout, answers: Plugins, secret_keys: Collection[str], console: Console) -> None:
    """Say what of all this is not real."""
    placeholders = sorted(set(secret_keys) - {MASTER_KEY, TENANT_KEYS})
    lines = [
        "real: Pulumi's engine, the program and its manifests, the Kubernetes API server with validation,",
        "  quota and pod security, the scheduler and the controllers.",
        "simulated: nodes and pods. kwok says they are Ready; no container runs and no URL answers yet.",
        "  GPUs are numbers on a node; each pool stands at its max, for nothing scales nodes here.",
        "  Network policies are stored and not enforced; autoscalers get no metrics.",
        f"{answers}",
        *(
            [f"placeholders, to be replaced in {layout.keys}: {', '.join(placeholders)}"]
            if placeholders
            else []
        ),
        f"use it: export KUBECONFIG={layout.state / 'kubeconfig'}; tenants' keys are in {layout.keys}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
