"""`llmserve promote | rollback | releases`: each loads a stack, calls the promoter and shows what came."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.stackfile.stack import StackSettings
from llmserve.checkout import checked, checkout, in_words, laptop
from llmserve.cluster_world import ClusterWorld
from llmserve.output import AsJson, console, errors, show_findings
from llmserve.release_run import backwards, begin, drive
from llmserve.release_worlds import cluster_world, laptop_world, sources
from local.engine import STACK
from local.layout import Layout
from planner.finding import Severity
from release.errors import ReleaseError
from release.journal import Journal, Release
from release.plan import make_plan, risks

KEPT = "traffic stays as it is; run the same again to go on, or `llmserve rollback MODEL` to go back"

app = typer.Typer(add_completion=False)

Stack = Annotated[str, typer.Option(help="The stack file: local, dev or prod.")]
PrometheusUrl = Annotated[
    str | None, typer.Option(help="Prometheus as reached from here; the laptop's is known.")
]
GatewayUrl = Annotated[
    str | None,
    typer.Option(
        help="Gateway as reached from here, to ask versions by name; its key in LLMSERVE_GATEWAY_KEY."
    ),
]
Kubeconfig = Annotated[Path, typer.Option(help="Used with the context the stack file names.")]
DEFAULT_KUBECONFIG = Path.home() / ".kube" / "config"


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Public name of the model.")],
    version: Annotated[str, typer.Argument(help="Version that is to get all its traffic.")],
    stack: Stack = STACK,
    why: Annotated[str, typer.Option("--why", "-m", help="Reason, for the record.")] = "",
    prometheus_url: PrometheusUrl = None,
    gateway_url: GatewayUrl = None,
    kubeconfig: Kubeconfig = DEFAULT_KUBECONFIG,
) -> None:
    """Move a model's traffic to another version by steps, each judged, and back if it is worse.

    Edits only that model's `traffic` in the stack file and runs `pulumi up`. A release that was interrupted
    is taken up where it was. Exits with 0 when promoted, 3 when taken back, 4 when undecided.
    """
    with in_words(KEPT):
        here = _place(stack)
        path = here.stack_file(stack)
        settings, _, plan_of_stack = checked(path)
        journal = Journal(here.root, stack)
        with journal.locked():
            release = journal.open_release(model)
            if release is None:
                plan = make_plan(settings, model, version)
                found = list(risks(settings, plan_of_stack, plan))
                if found:
                    show_findings(found, path.name, errors)
                if any(finding.severity is Severity.ERROR for finding in found):
                    raise typer.Exit(1)
                release = begin(settings, stack, path, plan, why)
            elif release.new != version or release.phase == "returning":
                raise ReleaseError(
                    f"{model}: the release to {release.new} of {release.started:%Y-%m-%d %H:%M} has not "
                    f"ended ({release.phase}); `llmserve rollback {model}` ends it"
                )
            world = _world(settings, stack, release, prometheus_url, gateway_url, kubeconfig)
            drive(journal, release, settings, world)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="Public name of the model.")],
    version: Annotated[
        str | None, typer.Argument(help="Version that gets all traffic; default: as before the last release.")
    ] = None,
    stack: Stack = STACK,
    why: Annotated[str, typer.Option("--why", "-m", help="Reason, for the record.")] = "",
    prometheus_url: PrometheusUrl = None,
    gateway_url: GatewayUrl = None,
    kubeconfig: Kubeconfig = DEFAULT_KUBECONFIG,
) -> None:
    """Take a model's traffic back at once: what a release has moved so far, or to an earlier version."""
    with in_words(KEPT):
        here = _place(stack)
        path = here.stack_file(stack)
        settings, _, _ = checked(path)
        journal = Journal(here.root, stack)
        with journal.locked():
            release = journal.open_release(model)
            if release is None or version is not None:
                if release is not None:
                    release.outcome, release.phase = "abandoned", "ended"
                    release.reason = f"a rollback to {version} was asked for"
                    journal.save(release)
                release = backwards(journal, settings, stack, path, model, version, why)
            world = _world(settings, stack, release, prometheus_url, gateway_url, kubeconfig)
            drive(journal, release, settings, world, back=why or "asked for")


@app.command()
def releases(
    model: Annotated[str, typer.Argument(help="Public name of the model.")],
    stack: Stack = STACK,
    as_json: AsJson = False,
) -> None:
    """Show a model's releases: who, when, why, and how each ended."""
    with in_words(KEPT):
        here = checkout()
        found = Journal(here.root, stack).releases(model)
        if as_json:
            print(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
            return
        if not found:
            console.print(f"{model}: no release on stack {stack} yet", highlight=False)
            return
        table = Table("began", "who", "from", "to", "how", "ended", "why")
        for one in found:
            ended = one.outcome or f"not yet: {one.phase}"
            table.add_row(
                f"{one.started:%Y-%m-%d %H:%M}", one.who, one.old, one.new, one.strategy, ended, one.reason
            )
        console.print(table, highlight=False)


def _world(
    settings: StackSettings,
    stack: str,
    release: Release,
    prometheus_url: str | None,
    gateway_url: str | None,
    kubeconfig: Path,
) -> ClusterWorld:
    here = _place(stack)
    where = sources(settings, release.model, release.old, release.new)
    path = here.stack_file(stack)
    if stack == STACK:
        return laptop_world(here, path, settings, release.model, where, console)
    return cluster_world(
        here.root,
        stack,
        path,
        settings,
        release.model,
        where,
        prometheus_url=prometheus_url,
        gateway_url=gateway_url,
        kubeconfig=kubeconfig,
    )


def _place(stack: str) -> Layout:
    return laptop() if stack == STACK else checkout()
