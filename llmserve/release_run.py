"""One release from the command line: how it begins, what it must pass, how it is driven and shown."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import typer

from infra.resolve import traffic
from infra.stackfile.releases import ReleaseSettings
from infra.stackfile.stack import StackSettings
from llmserve.output import console, errors
from release import stack_file
from release.errors import ReleaseError
from release.gates import Gate, quality_gate, read_cases, smoke_gate
from release.journal import Journal, Release, now, whoever
from release.plan import Plan, known_version, served_model
from release.promoter import HeldError, Promoter
from release.report import write_report
from release.world import World

HELD, RETURNED = 4, 3
"""Exit statuses: undecided, and taken back."""


def begin(settings: StackSettings, stack: str, path: Path, plan: Plan, why: str) -> Release:
    """A release at its very beginning."""
    text = stack_file.read(path)
    weights = stack_file.weights(text, plan.model)
    served = served_model(settings, plan.model)
    return Release(
        stack=stack,
        model=plan.model,
        old=plan.old,
        new=plan.new,
        strategy=served.release.strategy,
        steps=[(step.weight, step.judge) for step in plan.steps],
        before=weights,
        who=whoever(),
        why=why,
        started=now(),
        weights=weights,
        digest=stack_file.digest(text),
    )


def backwards(
    journal: Journal,
    settings: StackSettings,
    stack: str,
    path: Path,
    model: str,
    version: str | None,
    why: str,
) -> Release:
    """A release that goes back at once: to a version, or to the weights before the last promotion."""
    served = served_model(settings, model)
    text = stack_file.read(path)
    current = stack_file.weights(text, model)
    if version is not None:
        known_version(served, model, version)
        target = {**dict.fromkeys(current, 0), version: 100}
    else:
        ended = [one for one in journal.releases(model) if one.outcome in ("promoted", "rolled_back")]
        if not ended:
            raise ReleaseError(f"{model}: no release to go back from on record; name a version")
        target = ended[-1].before if ended[-1].outcome == "promoted" else {}
        if not target:
            raise ReleaseError(f"{model}: the last release was a rollback already; name a version")
        for name in target:
            known_version(served, model, name)
    if {k: v for k, v in target.items() if v} == {k: v for k, v in traffic(served).items() if v}:
        raise ReleaseError(f"models.{model}.traffic: is that already")
    return Release(
        stack=stack,
        model=model,
        old=max(target, key=lambda name: target[name]),
        new=max(current, key=lambda name: current[name]),
        strategy="rollback",
        steps=[],
        before=target,
        who=whoever(),
        why=why,
        started=now(),
        weights=current,
        digest=stack_file.digest(text),
    )


def gates_of(root: Path, release: Release, settings: ReleaseSettings) -> list[Gate]:
    """What the new version must pass before traffic. Raises ReleaseError for a file of prompts with mistakes.

    `root` is where the path of that file starts.
    """
    if release.strategy == "rollback":
        return []
    # probes ask versions by name as the smoke test does: where that does not work, nothing begins
    asks = release.strategy == "blue_green" or settings.probes
    gates = [smoke_gate(release.new)] if asks else []
    if settings.quality is not None:
        cases = read_cases(root / settings.quality.prompts)
        gates.append(quality_gate(release.old, release.new, cases, settings.quality.alpha))
    return gates


def promoter_of(
    root: Path,
    world: World,
    journal: Journal,
    release: Release,
    settings: StackSettings,
    tell: Callable[[str], None],
) -> Promoter:
    """The promoter of a release as its model's settings want it; `root` as in `gates_of`."""
    chosen = served_model(settings, release.model).release
    return Promoter(world, journal, release, chosen, tell, gates=gates_of(root, release, chosen))


def drive(
    journal: Journal,
    release: Release,
    settings: StackSettings,
    world: World,
    *,
    back: str = "",
) -> None:
    """Run a release to its end, show it, write its report; raises typer.Exit with its status."""
    promoter = promoter_of(journal.folder.parent.parent, world, journal, release, settings, say)
    try:
        if back:
            promoter.go_back(back)
        else:
            promoter.take_up()
        promoter.run()
    except HeldError as held:
        write_report(journal, release)
        errors.print(f"held: {held}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(HELD) from None
    path = write_report(journal, release)
    words = f"{release.model}: {release.outcome}: {release.reason}"
    console.print(words, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"report: {path.relative_to(journal.folder.parent.parent)}", highlight=False, soft_wrap=True
    )
    if release.outcome == "promoted":
        left = f"{release.old} still runs without traffic; once you are sure, delete it from the stack file"
        console.print(f"{left} and `pulumi up`", highlight=False, soft_wrap=True)
    if release.outcome in ("returned", "abandoned") and not back:
        raise typer.Exit(RETURNED)


def say(words: str) -> None:
    """Print a line of progress with its time."""
    console.print(f"{datetime.now():%H:%M:%S} {words}", highlight=False, markup=False, soft_wrap=True)
