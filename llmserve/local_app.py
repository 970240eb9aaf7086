"""`llmserve local`: every verb calls one function elsewhere and turns failures into words and a status."""

import json
from typing import Annotated

import typer

from llmserve.checkout import checked, in_words, laptop, wanted
from llmserve.output import AsJson, console
from local import layout, load, load_report, logs, plugins, process_node, stack_config, tables, up
from local.down import down
from local.engine import STACK, laptop_environment
from local.preview import preview

KEPT = "what was done is kept; the same command goes on from here"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The laptop: the whole stack on an embedded control plane.",
)


@app.command("up")
def local_up(
    quiet: Annotated[bool, typer.Option(help="Keep pulumi's own output in .local/logs/up.log.")] = False,
    fake_pods: Annotated[
        bool, typer.Option(help="Only pretend to run pods (kwok): quick, for tests of scale.")
    ] = False,
    real_ollama: Annotated[
        bool, typer.Option(help="Serve Ollama models by the ollama on PATH; it pulls real weights.")
    ] = False,
) -> None:
    """Build the tools, start the control plane and nodes, apply the `local` stack, chat, say what runs."""
    with in_words(KEPT):
        here = laptop()
        wanted = _wanted(here, STACK)
        up.up(here, wanted, console, quiet=quiet, fake_pods=fake_pods, real_ollama=real_ollama)


@app.command("down")
def local_down() -> None:
    """Remove every process, port and file of the laptop's run; keep the built tools."""
    with in_words(KEPT):
        down(laptop(), console)


@app.command("preview")
def local_preview(
    stack: Annotated[str, typer.Option(help="The stack file: local, dev or prod.")] = STACK,
) -> None:
    """Show what `pulumi up` would do to a stack, and change nothing of it."""
    with in_words(KEPT):
        here = laptop()
        preview(here, stack, _wanted(here, stack), console)


@app.command("plugins")
def local_plugins() -> None:
    """Try once more to get the official plugins, and say who answers."""
    with in_words(KEPT):
        here = laptop()
        up.build_tools(here)
        console.print(
            str(plugins.decide(here, laptop_environment(here), retry=True, with_aws=True)), highlight=False
        )


@app.command("status")
def local_status(as_json: AsJson = False) -> None:
    """Show the control plane, nodes, pods and models."""
    with in_words(KEPT):
        found = up.status(laptop())
        if as_json:
            print(json.dumps(found, indent=1))
        else:
            tables.show(found, console)


@app.command("logs")
def local_logs(
    what: Annotated[str, typer.Argument(metavar="POD|MODEL/VERSION|gateway", help="Whose output.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more is written.")] = False,
) -> None:
    """Print what a pod, all pods of a version, or the gateway's pods have written."""
    with in_words(KEPT):
        raise typer.Exit(logs.show(laptop(), what, follow=follow))


@app.command("load")
def local_load(
    rate: Annotated[float, typer.Option(help="Requests a second, at most 50.")] = load.Plan.rate,
    seconds: Annotated[float, typer.Option(help="How long, at most 600.")] = load.Plan.seconds,
    model: Annotated[str | None, typer.Option(help="Model to ask; default: a tenant's first.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Who asks; default: the first who may.")] = None,
    reuse_connections: Annotated[
        bool, typer.Option(help="Keep connections open; they then stay with one gateway pod.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the gateway steadily, short and streamed; say what is lost and how quick each version is.

    Exits with 1 if a request was lost, with 130 after Ctrl-C.
    """
    with in_words(KEPT):
        here = laptop()
        settings = stack_config.load_settings(here.stack_file(STACK))
        url = process_node.gateway_url(here)
        target = load.target(here, url, settings, tenant=tenant, model=model)
        done = load.run(target, load.Plan(rate=rate, seconds=seconds, reuse_connections=reuse_connections))
    found = done.report()
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        load_report.show(found, console)
    raise typer.Exit(130 if done.abandoned else found["lost"] > 0)


def _wanted(here: layout.Layout, stack: str) -> up.Wanted:
    """Check the stack file as the preview will, before anything slow starts; return what it wants."""
    settings, _, _ = checked(here.stack_file(stack))
    return wanted(settings)
