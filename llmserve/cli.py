"""`llmserve`: verbs about stack files and models; those that act on a stack are loaded when asked for."""

import json
import signal
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from infra.checking import check_stack_file, json_schema
from infra.plan_figures import capacity_figures, cost_figures, memory_figures, time_figures
from llmserve.advise import advise
from llmserve.figures_view import show_figures
from llmserve.one_machine_verbs import compose, docker_run
from llmserve.output import AsJson, console, show_findings
from llmserve.plan_model import plan

LATE = {
    "keys": "llmserve.keys_app",
    "local": "llmserve.local_app",
    "promote": "llmserve.release_app",
    "rollback": "llmserve.release_app",
    "releases": "llmserve.release_app",
    "rehearse": "llmserve.rehearse_app",
}
"""Verbs and the module each is in: what they bring with them, a check needs not wait for."""


class _Commands(TyperGroup):
    """All verbs; those of `LATE` are loaded when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *LATE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in LATE:
            return super().get_command(ctx, cmd_name)
        found: Any = typer.main.get_command(import_module(LATE[cmd_name]).app)
        if cmd_name in getattr(found, "commands", {}):
            return found.commands[cmd_name]
        found.name = cmd_name
        return found


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, help="LLM serving on Kubernetes."
)


@app.command()
def schema() -> None:
    """Print the JSON Schema of stack files."""
    print(json.dumps(json_schema(), indent=2))


@app.command()
def check(
    stack_file: Annotated[Path, typer.Argument(help="As in Pulumi.prod.yaml.")], as_json: AsJson = False
) -> None:
    """Find what is wrong in a stack file, and what it takes: memory, cost, times.

    Needs no cluster, cloud or engine. Exits with 1 if there is an error, which also stops preview and up.
    """
    found = check_stack_file(stack_file)
    plan = found.plan
    figures: dict[str, Any] = {
        "memory": memory_figures(plan) if plan else {},
        "cost": {**cost_figures(plan), "capacity": capacity_figures(plan)} if plan else {},
        "times": time_figures(plan) if plan else {},
    }
    if as_json:
        findings = [finding.model_dump(mode="json") for finding in found.findings]
        waived = [one.model_dump(mode="json") for one in plan.waived] if plan else []
        print(json.dumps({"findings": findings, "waived": waived, **figures}, indent=1))
    else:
        if plan:
            show_figures(figures, console)
        show_findings(found.findings, stack_file.name, console)
        for one in plan.waived if plan else ():
            what = f"{one.finding.id} at {one.finding.path} ({one.waiver.reason})"
            console.print(
                f"waived until {one.waiver.until}: {what}", highlight=False, markup=False, soft_wrap=True
            )
    raise typer.Exit(1 if found.errors else 0)


app.command()(plan)
app.command()(advise)
app.command()(compose)
app.command()(docker_run)


def main() -> None:
    """Run the command line. A closed terminal or a polite kill ends it as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    app()
