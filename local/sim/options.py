"""What a simulated engine is told by environment: how long things take, and what goes wrong how often."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields

from local.errors import LocalError

PREFIX = "SIM_"


@dataclass(frozen=True, kw_only=True)
class SimOptions:
    """Each field is the variable SIM_<FIELD IN CAPITALS>. Rates are shares of all requests, 0-1."""

    load_seconds: float = 1.0
    """From process start to a loaded model; Ollama: from the first request for a model."""
    pull_seconds: float = 0.2
    """Ollama only: one pull of a model."""
    ttft_seconds: float = 0.05
    """From leaving the queue to the first token."""
    ttft_jitter_seconds: float = 0.0
    """Up to this much is added to or taken from each TTFT, evenly spread."""
    tpot_seconds: float = 0.02
    """Between two tokens of a request that runs alone."""
    tpot_jitter_seconds: float = 0.0
    """Up to this much is added to or taken from the TPOT of each request, evenly spread."""
    tpot_slope: float = 0.0
    """Share by which TPOT grows for each other request that runs at the same time."""
    output_tokens: int = 0
    """Length of an answer that is not cut short; 0 = as long as the request allows, else 48."""
    kv_tokens: int = 65536
    """Tokens the pretended KV cache holds."""
    error_rate: float = 0.0
    error_status: int = 500
    hang_rate: float = 0.0
    """Requests that never get a first token."""
    break_rate: float = 0.0
    """Requests whose connection is cut after some tokens."""
    slowing_per_minute: float = 0.0
    """Share by which TTFT and TPOT grow with each minute since the process began: a leak."""
    crash_seconds: float = 0.0
    """The first request that comes so long after the process began ends it; 0 = never."""
    seed: int | None = None
    """Makes jitter and faults repeatable."""
    engine_version: str | None = None
    """Release whose flag table counts; None = the default of the table."""


def options_from_env(env: Mapping[str, str]) -> SimOptions:
    """Read the options. Raises LocalError for an unknown SIM_ name or a value out of range."""
    types = {f"{PREFIX}{field.name.upper()}": (field.name, field.type) for field in fields(SimOptions)}
    values: dict[str, object] = {}
    for name, text in env.items():
        if not name.startswith(PREFIX):
            continue
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(types))}"
            raise LocalError(f"{name}: no such option; {hint}")
        field, kind = types[name]
        values[field] = _value(name, field, str(kind), text)
    return SimOptions(**values)  # type: ignore[arg-type]  # each value was made from its field's type


def _value(name: str, field: str, kind: str, text: str) -> object:
    if "str" in kind:
        return text
    try:
        value = float(text) if "float" in kind else int(text)
    except ValueError:
        raise LocalError(f"{name}: {text!r} is not a number") from None
    if value < 0:
        raise LocalError(f"{name}: {text} is below 0")
    if field.endswith("_rate") and value > 1:
        raise LocalError(f"{name}: {text} is above 1; it is a share")
    if field == "error_status" and not 400 <= value <= 599:
        raise LocalError(f"{name}: {text} is no error; give 400 to 599")
    return value
