"""One alert in the format of a Prometheus rules file. Pure."""

from collections.abc import Mapping
from typing import Any

Rule = dict[str, Any]


def rule(
    name: str,
    expression: str,
    lasts: str | None,
    severity: str,
    summary: str,
    labels: Mapping[str, str] | None = None,
) -> Rule:
    """An alert that has to hold for `lasts`, as in 10m; its runbook is its heading in docs/platform.md."""
    return {
        "alert": name,
        "expr": expression,
        **({"for": lasts} if lasts else {}),
        "labels": {"severity": severity, **(labels or {})},
        "annotations": {"summary": summary, "runbook": f"docs/platform.md#{name.lower()}"},
    }
