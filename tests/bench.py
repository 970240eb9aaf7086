"""`make bench`: how times grow with the number of models. It proves nothing about AWS or the real plugins."""

import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from infra.checking import check_stack, check_stack_file
from infra.plan_figures import capacity_figures, cost_figures, memory_figures, time_figures
from tests.engine.checkout import Checkout, make_checkout
from tests.program.harness import deploy
from tests.program.test_program import run
from tests.stack_files import ROOT, eks_valid, secrets_for, stack_config, valid

COUNTS = (1, 10, 50)
CHECK_COUNTS = (1, 10, 50, 100)
POOL_TYPES = {"l4": "g6.2xlarge", "l40s": "g6e.2xlarge", "a10g": "g5.2xlarge"}
"""GPU pools of the stacks on EKS; models are dealt out to them in turn."""
REPEATS = 3


def settings_with(models: int) -> dict[str, Any]:
    """Valid settings for the laptop with this many served models of one version each."""
    raw = valid()
    version = raw["models"]["chat"]["versions"]["v1"]
    raw["cluster"] = stack_config("local")["cluster"]
    raw["models"] = {
        f"model-{number}": {"versions": {"v1": dict(version)}, "scaling": {"min": 1, "max": 2}}
        for number in range(models)
    }
    raw["pools"]["l4"]["max"] = 2 * models + 1
    raw["tenants"] = {"search": {"models": list(raw["models"])}}
    raw["gateway"] = {"replicas": {"min": 1, "max": 1}}  # more of them without Redis would warn at each run
    return raw


def eks_settings_with(models: int) -> dict[str, Any]:
    """Valid settings for a cluster on EKS with three GPU pools and this many served models."""
    raw = eks_valid()
    raw["cluster"]["network"] = {"cidr": "10.0.0.0/16"}
    raw["models"] = settings_with(models)["models"]
    for number, model in enumerate(raw["models"].values()):
        model["versions"]["v1"]["pool"] = list(POOL_TYPES)[number % len(POOL_TYPES)]
    nodes = 3 * models + 1  # two replicas of each, and one more that a roll adds
    raw["pools"] = {"system": {"instance_type": "m7i.2xlarge", "min": 2, "max": 3}} | {
        name: {"instance_type": kind, "min": 1, "max": nodes} for name, kind in POOL_TYPES.items()
    }
    raw["tenants"] = {"search": {"models": list(raw["models"])}}
    raw["gateway"] = {"replicas": {"min": 1, "max": 1}}
    return raw


def seconds_of(action: Callable[[], object]) -> list[float]:
    """Seconds of each of `REPEATS` runs, after one that does not count."""
    action()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return seconds


def write_stack_file(path: Path, raw: dict[str, Any]) -> None:
    """Write a stack file with these settings and no secrets."""
    config = {"pulumi:disable-default-providers": ["aws", "kubernetes"], "llmserve:settings": raw}
    path.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")


def measure(models: int, checkout: Checkout) -> dict[str, list[float]]:
    """Seconds of a recorder run and a real preview of a stack with this many models."""
    raw = settings_with(models)
    if errors := check_stack(raw).errors:
        raise SystemExit(f"bench: {errors[0]}")
    path = checkout.layout.stack_file("local")
    write_stack_file(path, raw)
    checkout.run("preview")  # makes the stack and its secrets
    engine = checkout.plugged_engine()
    config = str(checkout.layout.generated_stack_file("local"))
    return {
        "recorder": seconds_of(lambda: deploy(run, {"settings": raw}, secrets_for(raw))),
        "preview": seconds_of(lambda: engine.read("preview", "--stack", "local", "--config-file", config)),
    }


def check(path: Path) -> None:
    """What `llmserve check --json` does once Python runs: parse, check, plan, render, figures."""
    plan = check_stack_file(path).plan
    for figures in (memory_figures, time_figures, cost_figures, capacity_figures):
        assert plan is not None
        figures(plan)


def check_table(console: Console) -> None:
    """Print how long `llmserve check` takes: in a process that runs already, and from the shell."""
    program = str(Path(sys.executable).with_name("llmserve"))
    table = Table("models", "check", "llmserve check", title=f"seconds: median of {REPEATS} (range)")
    inside, outside = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Pulumi.bench.yaml"
        for models in CHECK_COUNTS:
            write_stack_file(path, settings_with(models))
            command = [program, "check", str(path), "--json"]
            inside[models] = seconds_of(lambda: check(path))
            outside[models] = seconds_of(lambda c=command: subprocess.run(c, capture_output=True, check=True))
            table.add_row(str(models), _cell(inside[models]), _cell(outside[models]))
    console.print(table)
    for name, seconds in (("check", inside), ("llmserve check", outside)):
        console.print(growth(name, seconds), highlight=False)


def growth(name: str, seconds: Mapping[int, Sequence[float]]) -> str:
    """Milliseconds that each further model costs, count by count: alike where times are linear."""
    middle = {count: statistics.median(measured) for count, measured in seconds.items()}
    steps = [
        f"{1000 * (middle[more] - middle[few]) / (more - few):.1f} ms up to {more}"
        for few, more in pairwise(sorted(middle))
    ]
    return f"{name}: {middle[min(middle)]:.2f} s for one model; for each further one {', '.join(steps)}"


def measure_eks(models: int, checkout: Checkout) -> dict[str, list[float]]:
    """Seconds of a recorder run and of a rehearsal's preview of a stack on EKS: no cluster, no AWS.

    The recorder checks every AWS input as the aws stand-in does, and so does the preview.
    """
    raw = eks_settings_with(models)
    if errors := check_stack(raw).errors:
        raise SystemExit(f"bench: {errors[0]}")
    write_stack_file(checkout.layout.stack_file("dev"), raw)
    checkout.run("preview", "--stack", "dev")  # makes the stack and its secrets
    engine = checkout.plugged_engine(with_aws=True)
    config = str(checkout.layout.generated_stack_file("dev"))
    return {
        "recorder": seconds_of(lambda: deploy(run, {"settings": raw}, secrets_for(raw))),
        "preview": seconds_of(lambda: engine.read("preview", "--stack", "dev", "--config-file", config)),
    }


def eks_table(console: Console, checkout: Checkout) -> Table:
    """How the same grows where the stack makes its cluster, with `len(POOL_TYPES)` GPU pools."""
    title = f"EKS, {len(POOL_TYPES)} GPU pools; seconds: median of {REPEATS} (range)"
    return measured_table(console, title, lambda models: measure_eks(models, checkout))


def measured_table(
    console: Console, title: str, measured: Callable[[int], Mapping[str, list[float]]]
) -> Table:
    """The times of a recorder run and a preview by number of models, and how they grow."""
    table = Table("models", "recorder", "pulumi preview", title=title)
    rows = {}
    for models in COUNTS:
        console.print(f"measuring {models} models: {title} ...", highlight=False)
        rows[models] = measured(models)
        table.add_row(str(models), *(_cell(rows[models][name]) for name in ("recorder", "preview")))
    lines = [growth(name, {models: row[name] for models, row in rows.items()}) for name in rows[COUNTS[0]]]
    table.caption = "\n".join(lines)
    return table


def main() -> None:
    """Print the tables; medians, and the range behind them."""
    console = Console()
    logging.disable(logging.WARNING)  # what each of many runs says of its settings
    check_table(console)
    with tempfile.TemporaryDirectory() as folder:
        checkout = make_checkout(Path(folder), ROOT / ".local" / "bin")
        try:
            title = f"laptop; seconds: median of {REPEATS} (range)"
            table = measured_table(console, title, lambda models: measure(models, checkout))
            on_eks = eks_table(console, checkout)
        finally:
            checkout.run("down")
    console.print(table, on_eks)
    console.print(
        "recorder: the whole program without an engine.\n"
        "pulumi preview: real engine on the laptop's control plane, nothing applied yet; on EKS the\n"
        "aws stand-in answers, and no server checks Kubernetes objects, since there is no cluster yet."
    )


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


if __name__ == "__main__":
    main()
