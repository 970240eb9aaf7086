"""Waivers: rules a team knowingly breaks for a while, each with a reason and a last day. Pure."""

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict

from planner.checklist import CHECKS
from planner.finding import Finding, Severity, error, nearest, warning
from planner.rules import Environment, rules


class Waiver(BaseModel):
    """One rule that need not be kept until a day."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rule: str
    """Id of the rule, as `llmserve check` and docs/rules.md give it."""
    reason: str
    """Why it need not be kept, for whoever reads it next."""
    until: date
    """Last day it holds, as in "2027-03-31"."""
    path: str | None = None
    """Only findings at this dotted path or below; None = everywhere."""

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is one that the waiver is about, whatever the day."""
        below = self.path is None or finding.path == self.path or finding.path.startswith(f"{self.path}.")
        return finding.id == self.rule and below


class Waived(BaseModel):
    """A finding that a waiver took out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Finding
    waiver: Waiver


class Review(BaseModel):
    """Findings after waivers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...]
    """What is left, and what is wrong with the waivers themselves."""
    waived: tuple[Waived, ...]


def review(
    findings: Sequence[Finding], waivers: Sequence[Waiver], *, today: date, environment: Environment
) -> Review:
    """Take out what waivers cover.

    A waiver may cover any rule of the checklist, and warnings of the other rules; never an error that is
    arithmetic. One that is past its day, has no reason, names no rule or covers nothing is a finding itself,
    at `waivers.<rule>`, and takes nothing out.
    """
    valid: list[Waiver] = []
    found: list[Finding] = []
    for waiver in waivers:
        wrong = _wrong(waiver, findings, today, environment)
        if wrong is None:
            valid.append(waiver)
        else:
            found.append(wrong)
    left, waived = [], []
    for finding in findings:
        waiver_of = next((w for w in valid if w.covers(finding) and _may_be_waived(finding)), None)
        if waiver_of is None:
            left.append(finding)
        else:
            waived.append(Waived(finding=finding, waiver=waiver_of))
    return Review(findings=(*left, *found), waived=tuple(waived))


def _may_be_waived(finding: Finding) -> bool:
    return finding.id in CHECKS or (finding.id in rules() and finding.severity is Severity.WARNING)


def _wrong(
    waiver: Waiver, findings: Sequence[Finding], today: date, environment: Environment
) -> Finding | None:
    """What is wrong with a waiver, if anything."""
    path = f"waivers.{waiver.rule}"
    if waiver.rule not in rules():
        return error(path, "is not a rule", nearest(waiver.rule, rules()), id="waiver-unknown-rule")
    if not waiver.reason.strip():
        return error(
            path, "gives no reason", "say why, for whoever reads it next", id="waiver-without-reason"
        )
    if waiver.until < today:
        say = error if rules()["waiver-expired"].weight(environment) == "error" else warning
        return say(
            path,
            f"ended on {waiver.until}, and it is {today}",
            "keep the rule, or decide again and give a new day",
            id="waiver-expired",
        )
    covered = [finding for finding in findings if waiver.covers(finding)]
    if not covered:
        return warning(path, "covers nothing", "remove it", id="waiver-without-effect")
    if not any(_may_be_waived(finding) for finding in covered):
        return error(
            path,
            "is about what cannot work as it is set",
            "change the setting: only the checklist's rules and warnings can be waived",
            id="waiver-not-allowed",
        )
    return None
