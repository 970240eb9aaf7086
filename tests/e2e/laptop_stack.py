"""The laptop's whole stack for tests: driven by `llmserve local`, looked at by kubectl, loaded meanwhile."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from local import litellm_environment, redis_program
from local.kubectl import Kubectl
from local.layout import find
from local.load import MAX_SECONDS, Load, Plan, Target
from local.load_report import Ask
from tests.e2e.router_process import program
from tests.engine.checkout import Checkout, make_checkout
from tests.stack_files import ROOT

NAMESPACE = "llmserve"
RATE = 10
SHORT = Ask(False, 2)
MIX = (SHORT, SHORT, Ask(True, 30), SHORT, SHORT, Ask(True, 60))
"""Streams of 3 s and 6 s, at a token in 0.1 s."""
SETTLE_SECONDS = 2
POLL_SECONDS = 0.5
Report = dict[str, Any]


def make_laptop(folder: Path) -> Checkout:
    """A checkout that shares the repository's programs, LiteLLM, Redis and router: they take minutes."""
    shared = find(ROOT)
    assert shared is not None
    litellm_environment.install(shared, Console())
    redis_program.install(shared, Console())
    made = make_checkout(folder, shared.programs)
    made.layout.litellm.symlink_to(shared.litellm)
    made.layout.redis.symlink_to(shared.redis)
    program()
    made.layout.router.symlink_to(shared.router)
    return made


class Stack:
    """What `llmserve local up` has made of laptop_figures.yaml."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.kubectl = Kubectl(checkout.layout.programs / "kubectl", checkout.layout.kubeconfig)

    def status(self) -> Report:
        found: Report = json.loads(self.checkout.run("status", "--json"))
        return found

    def run(self, *arguments: str) -> str:
        return self.kubectl.run("-n", NAMESPACE, *arguments)

    def busy(self) -> str:
        """The version of `chat` that gets most of the load; it is the one to disturb."""
        rows = [row for row in self.status()["models"] if row["model"] == "chat"]
        return str(max(rows, key=lambda row: row["weight_percent"])["version"])

    def pods(self, model: str, version: str) -> list[Report]:
        return [p for p in self.status()["pods"] if (p["model"], p["version"]) == (model, version)]

    def serves(self, pod: str) -> bool:
        """Whether a Service has the pod as a ready endpoint."""
        slices = self.kubectl.list("endpointslices", "-n", NAMESPACE)
        points = [point for piece in slices for point in piece.get("endpoints") or ()]
        return any(point["targetRef"]["name"] == pod and point["conditions"]["ready"] for point in points)

    def load_during(
        self,
        work: Callable[[], object],
        *,
        model: str = "chat",
        rate: float = RATE,
        mix: tuple[Ask, ...] = MIX,
    ) -> Report:
        """Load the gateway while `work` runs and a little longer; report once all answers have ended."""
        found = self.status()
        (tenant,) = found["tenants"]
        key = Path(tenant["key_file"]).read_text(encoding="utf-8").strip()
        target = Target(url=found["gateway"]["local_url"], key=key, model=model)

        async def both() -> Report:
            load = Load(target, Plan(rate=rate, seconds=MAX_SECONDS, mix=mix))
            running = asyncio.create_task(load.run())
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                await asyncio.to_thread(work)
                await asyncio.sleep(SETTLE_SECONDS)
            finally:
                load.stop()
                await running
            return load.report()

        report = asyncio.run(both())
        assert report["requests"] > rate * SETTLE_SECONDS, "there must have been a load to lose something of"
        return report

    def roll(self, *deployments: str) -> None:
        """Start every pod anew, and wait until the last old one is gone."""
        self.run("rollout", "restart", *(f"deployment/{name}" for name in deployments))
        self.rolled(*deployments)

    def rolled(self, *deployments: str) -> None:
        for name in deployments:
            self.run("rollout", "status", f"deployment/{name}", "--timeout=55s")
        until(lambda: not self._leaving(), 40, "pods that were replaced are still there")

    def _leaving(self) -> list[Report]:
        pods = self.kubectl.list("pods", "-n", NAMESPACE)
        return [pod for pod in pods if "deletionTimestamp" in pod["metadata"]]

    def change(self, deployment: str, patch: Report) -> None:
        """Patch the pods' spec of a deployment and wait for the roll."""
        text = json.dumps({"spec": {"template": {"spec": patch}}})
        self.run("patch", "deployment", deployment, "--type=strategic", "--patch", text)
        self.rolled(deployment)


def until(holds: Callable[[], object], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{otherwise} after {seconds} s"
        time.sleep(POLL_SECONDS)


def lost(report: Report) -> dict[str, int]:
    """Why requests were lost, and how many."""
    print(f"{report['requests']} requests in {report['seconds']:.0f} s, {report['lost']} lost")
    return {
        f"{row['version']}: {reason}": count
        for row in report["versions"]
        for reason, count in row["problems"].items()
    }
