"""The register of the planner's rules: what each says, how much it weighs, where it comes from."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.data_files import data_file

Group = Literal["memory", "start", "drain", "answer", "capacity", "performance", "reliability", "security",
                "observability", "waiver"]  # fmt: skip
Environment = Literal["development", "production"]
Weight = Literal["error", "warning", "off"]


class Rule(BaseModel):
    """One row of data/rules.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: Group
    says: str
    """What holds when the rule is kept."""
    severity: str | Mapping[Environment, Weight]
    """In words, or by the class of the environment where the checklist decides."""
    requirement: str
    """Row ids of the list of requirements, as in `C7, F1`."""
    source: str

    def weight(self, environment: Environment) -> Weight:
        """How much the rule weighs there; only for rules that say so by environment.

        Raises TypeError for the others.
        """
        if isinstance(self.severity, str):
            raise TypeError(f"{self.id} has the same severity everywhere: {self.severity}")
        return self.severity[environment]


def rules_table() -> str:
    """The register as Markdown, one table per group, for docs/rules.md."""
    lines: list[str] = []
    for group in dict.fromkeys(rule.group for rule in rules().values()):
        lines += [f"## {group.capitalize()}", "", *_HEAD]
        lines += [_row(rule) for rule in rules().values() if rule.group == group]
        lines.append("")
    return "\n".join(lines)


_HEAD = ["| id | holds when | weight | requirement | where it comes from |", "|---|---|---|---|---|"]


def _row(rule: Rule) -> str:
    weight = rule.severity
    if not isinstance(weight, str):
        weight = f"{weight['production']}; development: {weight['development']}"
    cells = (f"`{rule.id}`", rule.says, weight, rule.requirement, rule.source)
    return f"| {' | '.join(cells)} |"


@cache
def rules() -> Mapping[str, Rule]:
    """All rules by id, in the order of the file."""
    data: dict[Group, dict[str, dict[str, str]]] = data_file("rules.yaml")
    return MappingProxyType(
        {
            name: Rule.model_validate({"id": name, "group": group, **row})
            for group, rows in data.items()
            for name, row in rows.items()
        }
    )
