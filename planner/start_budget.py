"""Whether what waits for a start waits long enough: probes, engine, rollout, Pulumi, autoscaler. Pure.

Every rule is an inequality; its finding gives both numbers and the setting to change. A budget below even the
fastest start is an error, one below the slowest a warning: patience costs nothing.
"""

from collections.abc import Iterator
from math import ceil

from pydantic import BaseModel, ConfigDict, Field

from planner.estimate import Estimate
from planner.finding import Finding, error, warning
from planner.start_time import StartEstimate

_FASTER = "start faster (weights streamed from S3 or kept on the node, images pulled in parallel)"


class StartBudget(BaseModel):
    """Waiting times of one version as they are rendered, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Dotted path of the version's settings."""
    estimate: StartEstimate
    startup_seconds: int | None
    """Period x failures of the startup probe; None = there is none."""
    readiness_seconds: int
    """Period x failures after which a pod leaves its Service."""
    liveness_seconds: int
    """Period x failures after which the container is killed."""
    engine_timeout_seconds: int | None = None
    """After which the engine itself gives up a start; None = never."""
    progress_deadline_seconds: int
    """Of the Deployment: how long one step of a rollout may take."""
    await_seconds: int | None = None
    """How long Pulumi waits for the Deployment; None = it does not wait."""
    grace_seconds: int
    surge: int = Field(ge=0)
    """Pods added before one is taken away; with 0 a new pod waits until the old one is gone."""
    scale_down_seconds: int | None = None
    """How long the autoscaler waits for calm before it takes a pod away; None = no autoscaler."""

    @property
    def step_seconds(self) -> Estimate:
        """One step of a rollout: a pod from nothing, after the old one is gone where nothing is added."""
        leaving = 0 if self.surge else self.grace_seconds
        return self.estimate.new_node_seconds.mapped(lambda seconds: seconds + leaving)


def start_findings(budget: StartBudget) -> list[Finding]:
    """Return every rule that the budget breaks."""
    rules = (_startup, _engine, _liveness, _deadline, _await, _scale_down)
    return [finding for rule in rules for finding in rule(budget)]


def rollout_seconds(budget: StartBudget, pods: int) -> Estimate:
    """A whole rolling update, one pod after the other."""
    return budget.step_seconds.scaled(pods)


def advised_startup_seconds(estimate: StartEstimate) -> int:
    """A startup budget that holds the slowest start, rounded up to minutes."""
    return _minutes(estimate.container_seconds.high)


def _startup(budget: StartBudget) -> Iterator[Finding]:
    path, needed = f"{budget.path}.startup_seconds", budget.estimate.container_seconds
    if budget.startup_seconds is None:
        yield error(
            path,
            "there is no startup probe, so that the liveness probe kills a slow start",
            "render a startup probe",
            id="startup-probe-missing",
        )
    elif budget.startup_seconds < needed.high:
        say = error if budget.startup_seconds < needed.low else warning
        yield say(
            path,
            f"leaves {budget.startup_seconds} s from container to ready, estimated at {needed} s",
            f"make it {_minutes(needed.high)} or more, or {_FASTER}",
            id="startup-budget-too-short",
        )


def _engine(budget: StartBudget) -> Iterator[Finding]:
    own, probe = budget.engine_timeout_seconds, budget.startup_seconds
    if own is not None and probe is not None and own < probe:
        yield error(
            f"{budget.path}.startup_seconds",
            f"is {probe}, but the engine gives a start up after {own} s by itself",
            f"raise the engine's own limit to {probe} or more, or make this {own} or less",
            id="engine-gives-up-first",
        )


def _liveness(budget: StartBudget) -> Iterator[Finding]:
    if budget.liveness_seconds <= budget.readiness_seconds:
        yield error(
            budget.path,
            f"a pod that fails is killed after {budget.liveness_seconds} s and leaves its Service only after "
            f"{budget.readiness_seconds} s",
            "let the liveness probe wait longer than the readiness probe: a restart loads the model again",
            id="liveness-before-readiness",
        )


def _deadline(budget: StartBudget) -> Iterator[Finding]:
    deadline, path = budget.progress_deadline_seconds, f"{budget.path}.startup_seconds"
    leaving = 0 if budget.surge else budget.grace_seconds
    if budget.startup_seconds is not None and deadline < budget.startup_seconds + leaving:
        wait = f" and {leaving} s for the pod it replaces" if leaving else ""
        yield error(
            path,
            f"allows {budget.startup_seconds} s{wait}, but the rollout is called failed after {deadline} s",
            f"make the progress deadline {budget.startup_seconds + leaving} s or more",
            id="progress-deadline-below-startup",
        )
    elif deadline < budget.step_seconds.high:
        yield warning(
            path,
            f"makes a rollout fail after {deadline} s, and a pod on a new node is estimated at "
            f"{budget.step_seconds} s",
            f"make the progress deadline {_minutes(budget.step_seconds.high)} or more, or {_FASTER}",
            id="progress-deadline-too-short",
        )


def _await(budget: StartBudget) -> Iterator[Finding]:
    waits, deadline = budget.await_seconds, budget.progress_deadline_seconds
    if waits is not None and waits < deadline:
        yield error(
            budget.path,
            f"Pulumi waits {waits} s for the Deployment, which tells why a rollout failed only after "
            f"{deadline} s",
            f"make pulumi.com/timeoutSeconds {deadline} or more",
            id="await-below-progress-deadline",
        )


def _scale_down(budget: StartBudget) -> Iterator[Finding]:
    calm, start = budget.scale_down_seconds, budget.estimate.new_node_seconds
    if calm is not None and calm < start.likely:
        yield warning(
            budget.path,
            f"a pod is taken away after {calm} s of calm, and takes {start} s to bring back",
            f"let the autoscaler wait {_minutes(start.likely)} s before it scales down, or {_FASTER}",
            id="cooldown-shorter-than-start",
        )


def _minutes(seconds: float) -> int:
    """Rounded up to whole minutes, in seconds."""
    return ceil(seconds / 60) * 60
