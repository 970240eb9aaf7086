"""What runs on the laptop, as tables and sentences."""

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table

from local.layout import Layout
from local.plugins import Plugins
from local.report import Object
from local.stack_config import MASTER_KEY, PLACEHOLDER, TENANT_KEYS


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
    console.print(_pods(found["pods"]))
    ready = sum(row["ready"] for row in found["pods"])
    lines = [f"pods: {ready} of {len(found['pods'])} Ready"]
    lines += [
        f"  {row['name']} {row['phase']}: {row['why_not_ready']}" for row in found["pods"] if not row["ready"]
    ]
    lines.append(f"Kubernetes API: {plane['server']}")
    if gateway := found["gateway"]:
        lines.append(f"gateway, inside the cluster: {gateway['url']}")
        here = gateway["local_url"] or "not reachable: no process node runs"
        lines.append(f"gateway, on this machine: {here}")
    if (watch := found["prometheus"]) and watch["local_url"]:
        lines.append(f"Prometheus, on this machine: {watch['local_url']}")
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _pods(rows: Sequence[Object]) -> Table:
    table = Table("pod", "node", "pid", "restarts", "state", title="pods")
    for row in rows:
        state = "Ready" if row["ready"] else f"{row['phase']}, not Ready"
        pid = str(row["pid"] or "-")
        table.add_row(row["name"], row["node"] or "-", pid, str(row["restarts"]), state)
    return table


def show_simulated(
    layout: Layout,
    answers: Plugins,
    secret_keys: Collection[str],
    console: Console,
    *,
    fake_pods: bool,
    ollama: str | None,
) -> None:
    """Say what of all this is not real."""
    pods = (
        [
            "simulated: nodes and pods. kwok says they are Ready; no container runs and no URL answers.",
            "  Autoscalers get no metrics.",
        ]
        if fake_pods
        else [
            "  Pods are local processes: LiteLLM, Prometheus and Redis are the real ones"
            + (f", and so is Ollama ({ollama})." if ollama else "."),
            f"simulated: {'all other ' if ollama else ''}engines. No model runs; every answer begins with "
            "[simulated], times mean nothing.",
            "  Pods have no container around them: no isolation, no limits (docs/laptop.md).",
        ]
    )
    lines = [
        "real: Pulumi's engine, the program and its manifests, the Kubernetes API server with validation,",
        "  quota and pod security, the scheduler and the controllers.",
        *pods,
        "  GPUs are numbers on a node; each pool stands at its max, for nothing scales nodes here.",
        "  Network policies are stored and not enforced.",
        f"{answers}",
        *_placeholders(layout, secret_keys),
        f"use it: export KUBECONFIG={layout.kubeconfig}; tenants' keys are in {layout.keys}",
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _placeholders(layout: Layout, secret_keys: Collection[str]) -> list[str]:
    """Say which keys to something outside are not there, which is fine until somebody needs them."""
    names = [
        name
        for name in sorted(set(secret_keys) - {MASTER_KEY, TENANT_KEYS})
        if (layout.keys / name).read_text(encoding="utf-8").strip() == PLACEHOLDER
    ]
    if not names:
        return []
    return [f"no key yet for what lies outside; put a real one into {layout.keys}: {', '.join(names)}"]
