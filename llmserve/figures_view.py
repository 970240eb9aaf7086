"""The figures of a plan as tables."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Column, Table

_VERDICTS = {"fits": "fits", "does_not_fit": "does not fit", "uncertain": "too close to call"}


def show_figures(figures: Mapping[str, Any], console: Console) -> None:
    """Print the tables of `infra.plan_figures`: memory, times, cost by pool and by model."""
    for table in (_memory(figures["memory"]), _times(figures["times"]), _cost(figures["cost"])):
        console.print(table, highlight=False)
    console.print(_tokens(figures["cost"]["tokens"]), highlight=False)


def _memory(rows: Mapping[str, Any]) -> Table:
    table = Table(
        _named("version"),
        "GPUs",
        "verdict",
        "weights",
        "KV cache",
        "left",
        "KV tokens",
        "at once",
        title="memory",
    )
    for name, row in rows.items():
        kv = "?" if row["kv_available_gib"] is None else f"{row['kv_available_gib']:.1f}"
        if row["kv_low_gib"] is not None:
            kv += f" ({row['kv_low_gib']:.1f} to {row['kv_high_gib']:.1f})"
        table.add_row(
            name,
            f"{row['gpus']} of {row['instance_type']}",
            _VERDICTS[row["verdict"]],
            number(row["weights_gib"], 1),
            kv,
            number(row["headroom_gib"], 1),
            number(row["kv_cache_tokens"], 0),
            number(row["max_concurrency"], 1),
        )
    table.caption = "GiB per GPU; at once: requests of max_model_len"
    return table


def _times(rows: Mapping[str, Any]) -> Table:
    table = Table(
        _named("version"),
        "start",
        "budget",
        "on a new node",
        "first token",
        "per token",
        "tokens/s",
        title="times",
    )
    for name, row in rows.items():
        start, answer = row["start"] or {}, row["answer"] or {}
        table.add_row(
            name,
            spread(start.get("container_seconds")),
            f"{row['startup_seconds']}",
            spread(start.get("new_node_seconds")),
            spread(answer.get("ttft_seconds")),
            spread(answer.get("tpot_seconds")),
            spread(answer.get("output_tokens_per_second")),
        )
    table.caption = "seconds, likely (lowest to highest), estimates unless measured; tokens/s of one replica"
    return table


def _cost(cost: Mapping[str, Any]) -> Table:
    table = Table(
        _named("pool or model"), "what", "fewest", "most", "USD/h fewest", "USD/h most", title="cost"
    )
    for name, row in cost["pools"].items():
        nodes, usd = row["nodes"], row["usd_per_hour"]
        table.add_row(f"pool {name}", row["instance_type"], *_bounds(nodes, 0), *_bounds(usd, 2))
    for name, row in cost["models"].items():
        table.add_row(f"model {name}", "GPUs", *_bounds(row["gpus"], 0), *_bounds(row["usd_per_hour"], 2))
    table.add_section()
    table.add_row("in all", "nodes", "", "", *_bounds(cost["usd_per_hour"], 2))
    table.caption = "us-east-1 list prices of nodes; a model's share of its pools is part of them"
    return table


def _tokens(rows: Mapping[str, Any]) -> Table:
    table = Table(_named("version"), "USD per million output tokens", "of all tokens", title="cost of tokens")
    for name, row in rows.items():
        table.add_row(name, spread(row["usd_per_million_output"]), spread(row["usd_per_million"]))
    if rows:
        row = next(iter(rows.values()))
        split = sorted({f"{r['input_tokens']} in, {r['output_tokens']} out" for r in rows.values()})
        table.caption = f"at {row['utilisation']:.0%} utilisation; requests of {'; '.join(split)}"
    return table


def _named(heading: str) -> Column:
    """A column of names: they are folded where the terminal is narrow, never cut."""
    return Column(heading, overflow="fold")


def _bounds(row: Mapping[str, float | None], digits: int) -> tuple[str, str]:
    return number(row["min"], digits), number(row["max"], digits)


def number(value: float | None, digits: int) -> str:
    """A number, or a question mark where it is not known."""
    return "?" if value is None else f"{value:,.{digits}f}"


def spread(row: Mapping[str, float] | None) -> str:
    """A likely value and its range."""
    if not row:
        return "?"
    low, likely, high = (f"{row[key]:.3g}" for key in ("low", "likely", "high"))
    return likely if low == high else f"{likely} ({low} to {high})"
