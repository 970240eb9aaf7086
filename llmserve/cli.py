"""`llmserve`: every verb calls one function elsewhere and turns failures into words and a status."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.secret_keys import required_secrets
from infra.settings import check_settings, check_stack_file, json_schema
from local import layout, plugins, report, stack_config, up
from local.down import down
from local.engine import laptop_environment
from local.errors import LocalError
from planner.finding import Finding, Severity

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="LLM serving on Kubernetes.")
local_app = typer.Typer(
    no_args_is_help=True, help="The laptop: the whole stack on an embedded control plane."
)
app.add_typer(local_app, name="local")
console = Console()
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@local_app.command("up")
def local_up(
    quiet: Annotated[bool, typer.Option(help="Keep pulumi's own output in .local/logs/up.log.")] = False,
) -> None:
    """Build the tools, start the control plane, apply the `local` stack, wait, and say what runs."""
    with _words():
        here = _checkout()
        up.up(here, _secret_keys(here, up.STACK), console, quiet=quiet)


@local_app.command("down")
def local_down() -> None:
    """Remove every process, port and file of the laptop's run; keep the built tools."""
    with _words():
        down(_checkout(), console)


@local_app.command("preview")
def local_preview(
    stack: Annotated[str, typer.Option(help="The stack file: local, dev or prod.")] = up.STACK,
) -> None:
    """Show what `pulumi up` would do to a stack, and change nothing of it."""
    with _words():
        here = _checkout()
        up.preview(here, stack, _secret_keys(here, stack), console)


@local_app.command("plugins")
def local_plugins() -> None:
    """Try once more to get the official plugins, and say who answers."""
    with _words():
        here = _checkout()
        up.build_tools(here)
        console.print(str(plugins.decide(here, laptop_environment(here), retry=True)), highlight=False)


@local_app.command("status")
def local_status(as_json: AsJson = False) -> None:
    """Show the control plane, nodes, pods and models."""
    with _words():
        found = up.status(_checkout())
        if as_json:
            print(json.dumps(found, indent=1))
        else:
            report.show(found, console)


@app.command()
def schema() -> None:
    """Print the JSON Schema of stack files."""
    print(json.dumps(json_schema(), indent=2))


@app.command()
def check(stack_file: Path, as_json: AsJson = False) -> None:
    """Find all mistakes of a stack file, without Pulumi and without a cluster."""
    findings = check_stack_file(stack_file)
    if as_json:
        print(json.dumps([finding.model_dump(mode="json") for finding in findings], indent=1))
    else:
        _show(findings, stack_file.name)
    raise typer.Exit(_mistakes(findings) > 0)


def main() -> None:
    """Run the command line. A closed terminal or a polite kill ends it as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    app()


def _checkout() -> layout.Layout:
    if not sys.platform.startswith("linux"):
        raise LocalError(
            "the laptop's control plane runs on Linux (x86_64 or arm64); use a Linux machine or VM"
        )
    found = layout.find(Path.cwd())
    if found is None:
        raise LocalError("no Pulumi.yaml here or above; run this inside a checkout of llmserve")
    return found


def _secret_keys(here: layout.Layout, stack: str) -> list[str]:
    """Check the stack file before anything slow starts; return the secret config keys it needs."""
    path = here.stack_file(stack)
    findings = check_stack_file(path)
    settings, _ = check_settings(stack_config.load_settings(path))
    if settings is None or _mistakes(findings):
        _show([finding for finding in findings if finding.severity is Severity.ERROR], path.name)
        raise typer.Exit(1)
    return sorted(required_secrets(settings))


def _mistakes(findings: list[Finding]) -> int:
    return sum(finding.severity is Severity.ERROR for finding in findings)


def _show(findings: list[Finding], name: str) -> None:
    mistakes = _mistakes(findings)
    errors.print(f"{name}: {mistakes} mistakes, {len(findings) - mistakes} warnings", highlight=False)
    for finding in findings:
        errors.print(f"  {finding.severity}: {finding}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _words() -> Iterator[None]:
    """Turn expected failures into one message and a status, never a traceback."""
    try:
        yield
    except LocalError as problem:
        errors.print(f"error: {problem}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted: what was done is kept; the same command goes on from here")
        raise typer.Exit(130) from None
