"""From a model's `release` settings to the steps of one release, and what forbids it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from infra.plan import StackPlan
from infra.plan_versions import VersionPlan
from infra.resolve import engine_spec, traffic
from infra.stackfile.models import ServedModelSettings
from infra.stackfile.stack import StackSettings
from planner.cost import usd_per_replica
from planner.finding import Finding, error, nearest, warning
from release.errors import ReleaseError

Judge = Literal["versions", "failures"]
"""versions: the new one against the old one. failures: the new one alone, for hard stops only."""
VOCABULARY_PADDING = 1024
"""Vocabularies that differ by less are one tokenizer's, padded for other hardware (our choice)."""


@dataclass(frozen=True)
class Step:
    """Weights that stand for a while, and who judges it meanwhile."""

    weight: int
    """Percent to the new version."""
    judge: Judge


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One release: from which weights, by which steps."""

    model: str
    old: str
    """The version that has most of the traffic."""
    new: str
    before: Mapping[str, int]
    """Percent by version when it began."""
    steps: tuple[Step, ...]


def make_plan(settings: StackSettings, model: str, version: str) -> Plan:
    """Return the steps that take `model` to `version`.

    Raises ReleaseError for a model or version that is not in the stack file, or has all the traffic.
    """
    served = served_model(settings, model)
    known_version(served, model, version)
    before = traffic(served)
    if before.get(version, 0) == 100:
        raise ReleaseError(f"models.{model}.traffic.{version}: has all the traffic already")
    old = max((name for name in before if name != version), key=lambda name: before[name])
    others = {name: share for name, share in before.items() if name not in (old, version) and share}
    if others:
        raise ReleaseError(
            f"models.{model}.traffic: {', '.join(others)} would lose its traffic beside {old}; "
            f"take it to two versions first"
        )
    release = served.release
    by_steps = [Step(weight, "versions") for weight in release.steps if weight > before.get(version, 0)]
    whole = Step(100, "failures")
    return Plan(
        model=model,
        old=old,
        new=version,
        before=before,
        steps={
            "canary": (*by_steps, whole),
            "blue_green": (whole,),
            "rolling": (whole,),
            "ab": (Step(release.steps[0], "versions"),),
        }[release.strategy],
    )


def served_model(settings: StackSettings, model: str) -> ServedModelSettings:
    """The model's settings. Raises ReleaseError if it is not there or has no versions."""
    found = settings.models.get(model)
    if found is None:
        raise ReleaseError(f"models.{model}: there is no such model; {nearest(model, settings.models)}")
    if not isinstance(found, ServedModelSettings):
        raise ReleaseError(f"models.{model}: is an external provider's and has no versions; name another")
    return found


def known_version(served: ServedModelSettings, model: str, version: str) -> None:
    """Raise ReleaseError if there is no such version."""
    if version not in served.versions:
        hint = nearest(version, served.versions)
        raise ReleaseError(f"models.{model}.versions.{version}: there is no such version; {hint}")


def risks(settings: StackSettings, stack: StackPlan, plan: Plan) -> Iterator[Finding]:
    """What a release would change that clients or the bill should not find out alone."""
    served = served_model(settings, plan.model)
    path, release = f"models.{plan.model}", served.release
    longest = {v: engine_spec(settings, plan.model, s).max_model_len for v, s in served.versions.items()}
    old, new = longest[plan.old], longest[plan.new]
    if old and new and new < old and "shorter_context" not in release.accept:
        yield error(
            f"{path}.versions.{plan.new}.max_model_len",
            f"is {new}, and {plan.old} takes {old}: prompts that fit today would not",
            f"raise it, or add shorter_context to {path}.release.accept",
        )
    found = {one.spec.version: one for one in stack.versions if one.spec.model == plan.model}
    yield from _tokenizers(path, found[plan.old], found[plan.new], served)
    extra = _usd_per_hour(stack, found[plan.new])
    limit = release.max_extra_usd_per_hour
    if limit is not None and (extra is None or extra > limit):
        cost = "at a price nobody knows" if extra is None else f"costs {extra:.2f} USD an hour"
        yield error(
            f"{path}.release.max_extra_usd_per_hour",
            f"is {limit:g}, and {plan.new} beside {plan.old} {cost}",
            "raise it, or run fewer replicas",
        )


def _tokenizers(
    path: str, old: VersionPlan, new: VersionPlan, served: ServedModelSettings
) -> Iterator[Finding]:
    if "other_tokenizer" in served.release.accept:
        return
    sizes = [one.request.model.vocab if one.request else None for one in (old, new)]
    if sizes[0] is None or sizes[1] is None:
        yield warning(
            f"{path}.versions.{new.spec.version}.model",
            "may split text otherwise: the vocabulary of one of the two is not known",
            f"look, and add other_tokenizer to {path}.release.accept",
        )
    elif abs(sizes[0] - sizes[1]) >= VOCABULARY_PADDING:
        yield error(
            f"{path}.versions.{new.spec.version}.model",
            f"has a vocabulary of {sizes[1]}, {old.spec.version} one of {sizes[0]}: limits and prices in "
            "tokens mean something else",
            f"release it under a new name, or add other_tokenizer to {path}.release.accept",
        )


def _usd_per_hour(stack: StackPlan, version: VersionPlan) -> float | None:
    """Cost of the fewest replicas of a version; None where the price is not known."""
    pool = next(pool for pool in stack.pools if pool.name == version.spec.pool)
    usd = usd_per_replica(pool, version.spec.resources.gpus)
    return None if usd is None else usd * version.spec.min_replicas
