"""A release for people: Markdown beside its record, with its figures drawn over the looks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from release import stack_file
from release.journal import Figures, Journal, Look, Release

DRAWN_POINTS = 40
"""Most looks in a chart; more are thinned out evenly."""


def write_report(journal: Journal, release: Release) -> Path:
    """Write the report beside the release's record; return its path."""
    path = journal.folder / f"{release.name}.md"
    stack_file.write(path, markdown(release))
    return path


def markdown(release: Release) -> str:
    """The report. Charts are Mermaid, which code hosts draw."""
    outcome = release.outcome or f"not ended ({release.phase})"
    lines = [
        f"# {release.model}: {release.old} to {release.new} on {release.stack}: {outcome}",
        "",
        f"- **Why it ended so**: {release.reason or 'it has not ended'}",
        f"- **Began**: {release.started:%Y-%m-%d %H:%M:%S} UTC by {release.who}"
        + (f", because: {release.why}" if release.why else ""),
        f"- **Strategy**: {release.strategy}; weights before: {_weights(release.before)}; now: "
        f"{_weights(release.weights)}",
        "",
    ]
    if release.looks:
        lines += [*_steps(release), "", *_charts(release.looks)]
    lines += ["## What was done", ""]
    lines += [f"- {event.at:%H:%M:%S} {' '.join(event.what.split())}" for event in release.events]
    return "\n".join(lines) + "\n"


def _steps(release: Release) -> Iterator[str]:
    yield "| step | % | seconds | verdict | version | requests | errors | TTFT p50/p95 s | TPOT p50/p95 ms |"
    yield "|---|---|---|---|---|---|---|---|---|"
    last = {look.step: look for look in release.looks}
    for step, look in sorted(last.items()):
        head = f"| {step + 1} | {look.weight} | {look.elapsed_seconds:.0f} | {look.verdict} |"
        for name, figures in ((release.old, look.old), (release.new, look.new)):
            yield f"{head} {name} | {_row(figures)} |"
    if probes := {step + 1: look.probes for step, look in sorted(last.items()) if look.probes}:
        told = ", ".join(f"{count} at step {step}" for step, count in probes.items())
        yield ""
        yield f"Of these requests to each version, ours: {told}."


def _row(figures: Figures | None) -> str:
    if figures is None:
        return "series missing | | | "
    ttft = [_shown(figures.ttft_p50_seconds, 1, 2), _shown(figures.ttft_p95_seconds, 1, 2)]
    tpot = [_shown(figures.tpot_p50_seconds, 1000, 0), _shown(figures.tpot_p95_seconds, 1000, 0)]
    return f"{figures.requests:.0f} | {figures.errors:.0f} | {'/'.join(ttft)} | {'/'.join(tpot)}"


def _shown(seconds: float | None, factor: float, digits: int) -> str:
    return "-" if seconds is None else f"{seconds * factor:.{digits}f}"


def _charts(looks: Sequence[Look]) -> Iterator[str]:
    """One chart per metric over all looks; the first line is the old version's, the second the new one's."""
    every = max(1, len(looks) // DRAWN_POINTS)
    drawn = looks[::every]
    for title, unit, field in (
        ("TTFT p95", "s", "ttft_p95_seconds"),
        ("TPOT p95", "s", "tpot_p95_seconds"),
    ):
        pairs = [(getattr(look.old, field, None), getattr(look.new, field, None)) for look in drawn]
        known = [(a, b, look) for (a, b), look in zip(pairs, drawn, strict=True) if a and b]
        if len(known) < 2:
            continue
        yield from ("```mermaid", "xychart-beta", f'  title "{title}: old, then new version"')
        yield "  x-axis [" + ", ".join(f'"{look.weight}% {n}"' for n, (_, _, look) in enumerate(known)) + "]"
        yield f'  y-axis "{unit}"'
        yield "  line [" + ", ".join(f"{a:.4g}" for a, _, _ in known) + "]"
        yield "  line [" + ", ".join(f"{b:.4g}" for _, b, _ in known) + "]"
        yield from ("```", "")


def _weights(weights: dict[str, int]) -> str:
    return ", ".join(f"{version} {share} %" for version, share in weights.items())
