"""`make up`: from nothing to a running stack, each step timed."""

import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local import (
    aws_credentials,
    cluster,
    first_chat,
    litellm_environment,
    plugins,
    process_node,
    redis_program,
    report,
    router_environment,
    stack_config,
    tables,
)
from local.early_chat import EarlyChat
from local.engine import PROJECT, STACK, Engine, laptop_environment, with_plugins
from local.errors import LocalError
from local.kubectl import Kubectl
from local.layout import Layout
from local.nodes import nodes_of

READY_TIMEOUT_SECONDS = 120
POLL_SECONDS = 0.5


class Steps:
    """Announces each step and keeps its time."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what runs inside."""
        self.console.print(f"[bold]{name}[/bold]")
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started

    def table(self) -> Table:
        """Return the times, and their sum."""
        table = Table("step", "seconds", title="time")
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("total", f"{sum(self.seconds.values()):.1f}", style="bold")
        return table


@dataclass(frozen=True)
class Wanted:
    """What a checked stack file asks of the laptop."""

    secret_keys: Collection[str]
    own_passwords: Collection[str]
    """Those of them that nobody outside gives."""
    gateway: tuple[str, str]
    """Namespace and name of the gateway's Service."""
    prometheus: tuple[str, str] | None
    """Of the stack's own Prometheus, if it has one."""
    redis: bool
    """Whether it runs a Redis of its own."""
    router: bool = False
    """Whether vLLM's router stands before a version's replicas."""


def up(
    layout: Layout,
    wanted: Wanted,
    console: Console,
    *,
    quiet: bool = False,
    fake_pods: bool = False,
    real_ollama: bool = False,
) -> None:
    """Bring the `local` stack up, send it a chat, and print what runs; raise LocalError if a step fails.

    With `fake_pods` kwok only pretends to run the pods, and there is nobody to chat with. With `real_ollama`
    Ollama models are served by the `ollama` on PATH.
    """
    ollama = process_node.real_ollama() if real_ollama else None
    steps = Steps(console)
    settings = stack_config.load_settings(layout.stack_file(STACK))
    with steps.step("tools"):
        build_tools(layout)
    with steps.step("control plane"):
        if fake_pods:
            process_node.stop(layout)
        plane = cluster.start(layout.state, layout.programs, nodes_of(settings) if fake_pods else None)
        console.print(f"  Kubernetes API at {plane.server}, context {plane.context}")
    if not fake_pods:
        with steps.step("LiteLLM"):
            litellm_environment.install(layout, console)
        if wanted.redis:
            with steps.step("Redis"):
                redis_program.install(layout, console)
        if wanted.router:
            with steps.step("router"):
                router_environment.install(layout, console)
        services = process_node.Services(wanted.gateway, wanted.prometheus)
        with steps.step("process node"):
            started = process_node.start(layout, nodes_of(settings), services, ollama)
            console.print(
                f"  {'started' if started else 'runs already'}, says {process_node.log_file(layout)}"
            )
    with steps.step("plugins and stack file"):
        engine, answers = open_engine(layout, console)
        mend(engine, STACK, console)
        config = stack_config.prepare(engine, STACK, wanted.secret_keys, wanted.own_passwords)
    client = None if fake_pods else first_chat.choose_client(layout, settings)
    url = process_node.gateway_url(layout)
    kubectl = Kubectl(layout.programs / "kubectl", plane.kubeconfig)
    applied = time.monotonic()
    early = EarlyChat(url, client, kubectl, wanted.gateway[0]) if client and url else None
    with early or nullcontext():
        with steps.step("pulumi up"):
            log = layout.logs / "up.log" if quiet else None
            arguments = ("--yes", "--skip-preview", "--suppress-outputs", "--config-file", str(config))
            run_pulumi(engine, "up", *arguments, log=log)
        with steps.step("pods ready"):
            outputs = report.outputs(engine, STACK)
            wait_until_ready(kubectl, outputs, console)
    if client and url and early:
        with steps.step("first chat"):
            answer = first_chat.send(url, client)
        since = (early.first_token_at or answer.first_token_at) - applied
    tables.show(report.collect(layout, outputs, settings["tenants"]), console)
    console.print(steps.table())
    tables.show_simulated(layout, answers, wanted.secret_keys, console, fake_pods=fake_pods, ollama=ollama)
    if client and url:
        console.print(f"from apply to the first streamed token: {since:.1f} s", highlight=False)
        first_chat.show(answer, client, url, console)


def status(layout: Layout) -> dict[str, Any]:
    """Return what runs now, with the models of the last `up`."""
    made = (layout.backend / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json").is_file()
    outputs = report.outputs(Engine(layout, laptop_environment(layout)), STACK) if made else {}
    tenants = stack_config.load_settings(layout.stack_file(STACK))["tenants"]
    return report.collect(layout, outputs, tenants)


def build_tools(layout: Layout) -> None:
    """Find or build the programs, showing the progress."""
    result = subprocess.run([sys.executable, "-m", "tools.build"], cwd=layout.root, check=False)
    if result.returncode == 130:
        raise KeyboardInterrupt
    if result.returncode != 0:
        raise LocalError("the programs are not there, see above")


def open_engine(
    layout: Layout, console: Console, *, with_aws: bool = False
) -> tuple[Engine, plugins.Plugins]:
    """Return the laptop's pulumi, and say who answers for its plugins."""
    environment = laptop_environment(layout)
    answers = plugins.decide(layout, environment, with_aws=with_aws)
    console.print(f"  {answers}", highlight=False, soft_wrap=True)
    if answers.official_aws and not aws_credentials.found():
        answers = replace(answers, official_aws=False)
        told = f"no AWS credentials here: the stand-in answers for {plugins.AWS} all the same"
        console.print(f"  {told}", highlight=False, soft_wrap=True)
    return Engine(layout, with_plugins(layout, environment, answers)), answers


def mend(engine: Engine, stack: str, console: Console) -> None:
    """Clear away what a killed pulumi left behind, and say so."""
    for told in (engine.restore_checkpoint(stack), engine.release_stale_lock(stack)):
        if told:
            console.print(f"  {told}", highlight=False, soft_wrap=True)


def run_pulumi(
    engine: Engine, verb: str, *arguments: str, stack: str = STACK, log: Path | None = None
) -> None:
    """Run pulumi on a stack; raise LocalError if it fails."""
    status = engine.stream(
        verb, "--stack", stack, "--suppress-permalink=true", "--suppress-progress", *arguments, log=log
    )
    if status != 0:
        told = f"it said, at the end of {log}:\n{_tail(log)}" if log else "its own words are above"
        raise LocalError(f"pulumi {verb} ended with status {status}; {told}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])


def wait_until_ready(kubectl: Kubectl, outputs: dict[str, Any], console: Console) -> None:
    """Wait for every pod of the stack, autoscalers' first steps included.

    Raises LocalError naming the pods that do not become Ready, and why.
    """
    namespace = report.namespace(outputs)
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    said = ""
    while True:
        pods = kubectl.list("pods", "-n", namespace)
        waiting = [pod for pod in pods if not report.is_ready(pod)]
        behind = report.scalers_behind(kubectl.list("hpa", "-n", namespace))
        now = f"  {len(pods) - len(waiting)} of {len(pods)} pods Ready"
        if behind:
            now += f"; autoscaler still to make its least replicas: {', '.join(behind)}"
        if now != said:
            console.print(now, highlight=False, soft_wrap=True)
            said = now
        if pods and not waiting and not behind:
            return
        if time.monotonic() > deadline:
            reasons = [f"  {pod['metadata']['name']}: {report.why_not_ready(pod)}" for pod in waiting]
            reasons += [f"  autoscaler {name}: fewer replicas than its least" for name in behind]
            raise LocalError("\n".join([f"not Ready after {READY_TIMEOUT_SECONDS} s:", *reasons]))
        time.sleep(POLL_SECONDS)
