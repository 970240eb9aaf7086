"""`llmserve rehearse`: a release on the laptop as it would go, with a fault if one is asked for."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from components.naming import version_name
from infra.stackfile.stack import StackSettings
from llmserve.checkout import checked, in_words, laptop
from llmserve.output import AsJson, console, errors
from llmserve.rehearsal import FOLDER, Loading, parse_fault, rehearsal_file, write_copy
from llmserve.release_run import begin, promoter_of, say
from llmserve.release_worlds import laptop_world, sources
from local import load, process_node, stack_config
from local.engine import STACK
from local.layout import Layout
from release.journal import Journal, Release
from release.plan import make_plan
from release.report import write_report

app = typer.Typer(add_completion=False)
KEPT = "the laptop's stack may have the rehearsal's settings; `make up` puts the stack file's own back"
UNEXPECTED = 3


@app.command()
def rehearse(
    model: Annotated[str, typer.Argument(help="Public name of the model.")],
    version: Annotated[str, typer.Argument(help="Version that is to get all its traffic.")],
    inject: Annotated[
        str,
        typer.Option(help="Fault of it: none, ttft=2.0, tpot=1.5, errors=0.2, leak=1.0, crash=10."),
    ] = "none",
    rate: Annotated[float, typer.Option(help="Requests a second, at most 50.")] = 10,
    leave: Annotated[
        bool, typer.Option(help="Leave the rehearsal's settings at work: the next one starts sooner.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Release a version on the laptop's stack under generated load, and put the stack back as it was.

    Engines are simulated and waits are shortened; weights, gateway, pulumi, Prometheus and the judge's
    thresholds are the real ones. Exits with 0 if a version without fault was promoted, or one with a fault
    was taken back; with 3 otherwise.
    """
    with in_words(KEPT):
        here = laptop()
        fault = parse_fault(inject)
        committed = here.stack_file(STACK)
        settings, _, _ = checked(committed)
        plan = make_plan(settings, model, version)
        copy = write_copy(
            here.state / FOLDER, rehearsal_file(committed.read_text("utf-8"), model, version, fault)
        )
        settings, _, _ = checked(copy)
        journal = Journal(here.state / FOLDER, STACK)
        shutil.rmtree(journal.folder, ignore_errors=True)
        release = begin(settings, STACK, copy, plan, f"rehearsal, fault: {inject}")
        tell = _silent if as_json else say
        found = _run(here, copy, settings, journal, release, rate, tell)
        found |= {"fault": inject, "expected": "promoted" if fault[0] == "none" else "returned"}
        if not leave:
            _put_back(here, committed, model, release, tell)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _show(found)
    raise typer.Exit(0 if found["outcome"] == found["expected"] else UNEXPECTED)


def _silent(_: str) -> None:
    """Of a rehearsal that ends with JSON."""


def _run(
    here: Layout,
    copy: Path,
    settings: StackSettings,
    journal: Journal,
    release: Release,
    rate: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    where = sources(settings, release.model, release.old, release.new)
    world = laptop_world(here, copy, settings, release.model, where, errors)
    target = load.target(
        here, process_node.gateway_url(here), stack_config.load_settings(copy), model=release.model
    )
    loading = Loading(target, rate)
    started = time.monotonic()
    promoter = promoter_of(here.root, world, journal, release, settings, tell)
    # the copy's limits of tenants must be at work before the load begins
    promoter.run(until="moving")
    with loading.running():
        promoter.run()
    path = write_report(journal, release)
    return {
        "model": release.model,
        "version": release.new,
        "outcome": release.outcome,
        "reason": release.reason,
        "seconds": round(time.monotonic() - started, 1),
        "requests": len(loading.outcomes),
        "lost": loading.lost(version_name(release.model, release.new)),
        "report": str(path),
    }


def _put_back(
    here: Layout, committed: Path, model: str, release: Release, tell: Callable[[str], None]
) -> None:
    tell("putting the stack file's own settings back")
    settings, _, _ = checked(committed)
    where = sources(settings, model, release.old, release.new)
    laptop_world(here, committed, settings, model, where, errors).apply()


def _show(found: dict[str, Any]) -> None:
    words = f"rehearsed {found['model']} {found['version']} with fault {found['fault']}: {found['outcome']}"
    console.print(f"{words}: {found['reason']}", highlight=False, markup=False, soft_wrap=True)
    lost = found["lost"]
    console.print(
        f"{found['requests']} requests in {found['seconds']:.0f} s; lost by the new version: "
        f"{lost['by_new_version'] or 0}, lost elsewhere: {lost['elsewhere'] or 0}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"report: {found['report']}", highlight=False, soft_wrap=True)
    if found["outcome"] != found["expected"]:
        errors.print(f"expected: {found['expected']}", highlight=False)
