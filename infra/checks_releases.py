"""Rules about how a model's traffic moves to another version. Pure."""

from collections.abc import Iterator
from itertools import pairwise

from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.finding import Finding, error


def check_releases(settings: StackSettings) -> Iterator[Finding]:
    """Findings about `release` of every model of our own."""
    for name, model in settings.models.items():
        if isinstance(model, ServedModelSettings):
            yield from _release(f"models.{name}.release", model)


def _release(path: str, model: ServedModelSettings) -> Iterator[Finding]:
    release, analysis = model.release, model.release.analysis
    steps = list(release.steps)
    if release.strategy in ("canary", "ab") and not steps:
        yield error(f"{path}.steps", f"is empty, and {release.strategy} moves by steps", "give one or more")
    if any(later <= earlier for earlier, later in pairwise(steps)):
        yield error(f"{path}.steps", f"do not rise: {steps}", "give each step a larger percentage")
    if release.strategy == "ab" and len(steps) > 1:
        yield error(f"{path}.steps", "are several, and ab compares at one share", "give one")
    if release.warmup_seconds >= analysis.hold_seconds:
        yield error(
            f"{path}.warmup_seconds",
            f"is {release.warmup_seconds}, not less than analysis.hold_seconds {analysis.hold_seconds}",
            "lower it or hold longer",
        )
    if analysis.hold_seconds > analysis.max_wait_seconds:
        yield error(
            f"{path}.analysis.hold_seconds",
            f"is {analysis.hold_seconds}, more than max_wait_seconds {analysis.max_wait_seconds}",
            "lower it or wait longer",
        )
    if release.look_seconds > analysis.hold_seconds:
        yield error(
            f"{path}.look_seconds",
            f"is {release.look_seconds}, more than analysis.hold_seconds {analysis.hold_seconds}",
            "look more often",
        )
    if release.probes and release.probes.max_requests < analysis.min_requests:
        yield error(
            f"{path}.probes.max_requests",
            f"is {release.probes.max_requests}, and fewer than analysis.min_requests {analysis.min_requests} "
            "prove nothing",
            "allow more",
        )
