"""What runs on the laptop, as plain data."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.naming import GPU_RESOURCE, MODEL_LABEL, POOL_LABEL, VERSION_LABEL
from local import cluster, process_node
from local.engine import Engine
from local.kubectl import Kubectl
from local.layout import Layout
from local.node.addresses import POD_PREFIXES, pod_address

Object = Mapping[str, Any]
PROCESS_ID = re.compile(r"process://(\d+)-")


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
    """Return the words Kubernetes gives for a pod that is not Ready: the scheduler's, else a container's."""
    status = pod.get("status", {})
    conditions = [item for item in status.get("conditions", []) if item.get("message")]
    unplaced = [item["message"] for item in conditions if item["type"] == "PodScheduled"]
    states = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    words = [
        *unplaced,
        *(
            _words(item["state"]["waiting"])
            for item in states
            if item["state"].get("waiting", {}).get("message")
        ),
        *(item["message"] for item in conditions),
    ]
    last = [item["lastState"]["terminated"] for item in states if item.get("lastState", {}).get("terminated")]
    ended = f"; it ended with {_words(last[0])}" if last and not unplaced else ""
    return (words[0] if words else f"phase {status.get('phase', 'unknown')}") + ended


def _words(state: Object) -> str:
    """Return reason and message of a container's state; of a log's end, the last line says most."""
    code = f" (exit code {state['exitCode']})" if "exitCode" in state else ""
    lines = str(state.get("message", "")).strip().splitlines()
    return f"{state.get('reason', 'no reason')}{code}" + (f": {lines[-1]}" if lines else "")


def collect(layout: Layout, outputs: Object, tenants: Collection[str]) -> dict[str, Any]:
    """Ask the control plane what runs. The result is what `llmserve local status --json` prints."""
    status = cluster.status(layout.state, layout.programs)
    url = process_node.gateway_url(layout)
    found: dict[str, Any] = {
        "control_plane": {"ready": status.ready, "server": status.server, "components": status.components},
        "kubeconfig": str(layout.kubeconfig),
        "nodes": [],
        "pods": [],
        "models": [],
        "gateway": outputs["gateway"] | {"local_url": url} if outputs else None,
        "prometheus": _prometheus(layout, outputs),
        "tenants": [{"name": name, "key_file": str(layout.keys / name)} for name in sorted(tenants)],
    }
    if not status.ready:
        return found
    kubectl = Kubectl(layout.programs / "kubectl", layout.kubeconfig)
    pods = kubectl.list("pods", "--all-namespaces")
    found["nodes"] = node_rows(kubectl.list("nodes", "-l", POOL_LABEL), pods)
    if outputs:
        here = namespace(outputs)
        found["pods"] = pod_rows([pod for pod in pods if pod["metadata"]["namespace"] == here])
        found["models"] = model_rows(outputs["models"], kubectl.list("deployments", "-n", here))
    return found


def _prometheus(layout: Layout, outputs: Object) -> Object | None:
    """The stack's own Prometheus, if it has one, with its address on this machine."""
    found: Object | None = outputs.get("prometheus")
    return {**found, "local_url": process_node.prometheus_url(layout)} if found else None


def pod_rows(pods: Sequence[Object]) -> list[dict[str, Any]]:
    """Return one row per pod; None for what it has not, such as a gateway's model. Pure."""
    return [
        {
            "name": pod["metadata"]["name"],
            "model": pod["metadata"]["labels"].get(MODEL_LABEL),
            "version": pod["metadata"]["labels"].get(VERSION_LABEL),
            "node": pod["spec"].get("nodeName"),
            "address": _address(pod),
            "pid": _pid(pod),
            "ready": is_ready(pod),
            "phase": pod.get("status", {}).get("phase"),
            "restarts": sum(item["restartCount"] for item in pod["status"].get("containerStatuses", [])),
            "why_not_ready": None if is_ready(pod) else why_not_ready(pod),
        }
        for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"]))
    ]


def _address(pod: Object) -> str | None:
    """Return where a process of the pod listens."""
    ip = pod["status"].get("podIP", "")
    ports = [port["containerPort"] for port in pod["spec"]["containers"][0].get("ports", [])]
    return f"http://{pod_address(ip)}:{ports[0]}" if ip.startswith(POD_PREFIXES) and ports else None


def _pid(pod: Object) -> int | None:
    """Return the process of the first container that runs; the node writes it into the container's id."""
    for item in pod["status"].get("containerStatuses", []):
        found = PROCESS_ID.match(item.get("containerID", ""))
        if found and "running" in item["state"]:
            return int(found[1])
    return None


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
