"""A stack on EKS in a checkout of its own, on stand-ins: run, changed, looked at, timed."""

import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from local.engine import Engine
from local.kubectl import Kubectl
from tests.engine.checkout import Checkout
from tests.stack_files import stack_config


@dataclass(frozen=True)
class EksStack:
    """A stack file of the repository in a checkout of its own, with a control plane of its own."""

    name: str
    checkout: Checkout

    @property
    def config(self) -> Path:
        """The stack file as committed, with made-up secrets, as the rehearsal of `make preview` leaves it."""
        return self.checkout.layout.generated_stack_file(self.name)

    @property
    def settings(self) -> dict[str, Any]:
        return stack_config(self.name)

    @property
    def engine(self) -> Engine:
        return self.checkout.plugged_engine(with_aws=True)

    @property
    def kubectl(self) -> Kubectl:
        layout = self.checkout.layout
        return Kubectl(layout.programs / "kubectl", layout.kubeconfig)

    @property
    def account(self) -> list[Path]:
        """The objects that the stand-in's AWS has."""
        return sorted(self.checkout.layout.cloud.rglob("*.json"))

    def pulumi(self, *arguments: str, config: Path | None = None) -> str:
        """What pulumi prints; the test fails with it if pulumi does."""
        file = ("--config-file", str(config or self.config))
        return self.engine.read(*arguments, "--stack", self.name, *file)

    def changed(self, change: Callable[[dict[str, Any]], None]) -> Path:
        """Write the stack file with changed settings and the same secrets; return where it lies."""
        content = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        change(content["config"]["llmserve:settings"])
        path = self.checkout.layout.state / "changed.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def steps(self, config: Path) -> dict[str, list[str]]:
        """What a preview would do with a changed stack file: operation → types and names."""
        foreseen = json.loads(self.pulumi("preview", "--json", config=config))
        found: dict[str, list[str]] = {}
        for step in foreseen["steps"]:
            kind, name = step["urn"].split("::")[-2:]
            if step["op"] not in ("same", "refresh"):
                found.setdefault(step["op"], []).append(f"{kind.rpartition('$')[2]} {name}")
        return found

    def pods(self) -> list[dict[str, Any]]:
        """All pods there are; nothing else runs on this control plane."""
        return self.kubectl.list("pods", "--all-namespaces")


def play_load_balancer_controller(kubectl: Kubectl) -> None:
    """Give every Ingress an address, as the controller would whose chart is only recorded."""
    status = {"status": {"loadBalancer": {"ingress": [{"hostname": "balancer.example.com"}]}}}
    for ingress in kubectl.list("ingress", "--all-namespaces"):
        place = (ingress["metadata"]["name"], "-n", ingress["metadata"]["namespace"])
        kubectl.run(
            "patch", "ingress", *place, "--subresource=status", "--type=merge", "-p", json.dumps(status)
        )


def cpu_seconds() -> float:
    """CPU time, in user and kernel mode, of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def busy_seconds() -> float:
    """CPU time the whole machine has spent on anything."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


@dataclass(frozen=True, kw_only=True)
class Took:
    """What a preview took, in seconds."""

    wall: float
    cpu: float
    """Of pulumi and all it starts."""
    others: float
    """CPU time that everything else on the machine had meanwhile."""

    @property
    def bar(self) -> float:
        """What is held to the bar: the wall clock without what others had."""
        return self.wall - self.others


def measured_preview(stack: EksStack) -> Took:
    """Preview a new stack once."""
    started, used, busy = time.monotonic(), cpu_seconds(), busy_seconds()
    assert "to create" in stack.pulumi("preview")
    wall, cpu = time.monotonic() - started, cpu_seconds() - used
    return Took(wall=wall, cpu=cpu, others=max(0.0, busy_seconds() - busy - cpu))
