"""Where the command line writes, and how findings look."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.finding import Finding, Severity

console = Console()
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def show_findings(findings: Sequence[Finding], name: str, to: Console) -> None:
    """Print a line that counts them, then a table of them, errors first."""
    mistakes = [finding for finding in findings if finding.severity is Severity.ERROR]
    warnings = [finding for finding in findings if finding.severity is Severity.WARNING]
    to.print(f"{name}: {_count(mistakes, 'mistake')}, {_count(warnings, 'warning')}", highlight=False)
    if not findings:
        return
    table = Table("severity", "rule", "setting, what is wrong, what would be right", show_lines=True)
    for finding in (*mistakes, *warnings):
        style = "bold red" if finding.severity is Severity.ERROR else "yellow"
        said = Text(f"{finding.path}\n{finding.message}; {finding.fix}", overflow="fold")
        table.add_row(Text(str(finding.severity), style=style), finding.id, said)
    to.print(table, highlight=False)


def fail(message: str) -> typer.Exit:
    """Print an error and return the exit to raise."""
    errors.print(f"error: {message}", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(1)


def _count(found: Sequence[Finding], noun: str) -> str:
    return f"{len(found)} {noun}" if len(found) == 1 else f"{len(found)} {noun}s"
