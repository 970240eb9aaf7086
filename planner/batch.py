"""The estimator over standard input and output: `python -m planner.batch`.

One JSON object a line in, one a line out, in the same order; docs/planner.md tells the keys of both. A line
that makes no sense is answered `uncertain` with the reason.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from planner.batch_case import request_of
from planner.memory import MemoryEstimate, estimate


def answers(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Return one answer for each line that is not blank."""
    for line in lines:
        if line.strip():
            yield answer(line)


def answer(line: str) -> dict[str, Any]:
    """Answer one case; never raises for what the line holds."""
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as problem:
        return _uncertain(f"not JSON: {problem}")
    if not isinstance(case, dict):
        return _uncertain("not a JSON object")
    number = {"case": case["case"]} if isinstance(case.get("case"), int) else {}
    try:
        request = request_of(case)
        found = _uncertain(request) if isinstance(request, str) else _answer(estimate(request))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        found = _uncertain(f"the case could not be read: {type(problem).__name__}")
    return number | found


def _answer(found: MemoryEstimate) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "kv_cache_tokens": found.kv_cache_tokens,
        "weights_gib": _rounded(found.weights_gib),
        "kv_available_gib": _rounded(found.kv_available_gib),
        "kv_available_low_gib": _rounded(found.kv_low_gib),
        "kv_available_high_gib": _rounded(found.kv_high_gib),
        "headroom_gib": _rounded(found.headroom_gib),
        "max_concurrency": _rounded(found.max_concurrency),
        "limiting": found.limiting.value if found.limiting else None,
        "reasons": list(found.reasons),
    }


def _uncertain(reason: str) -> dict[str, Any]:
    return {"verdict": "uncertain", "kv_cache_tokens": None, "weights_gib": None, "reasons": [reason]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    for found in answers(sys.stdin):
        print(json.dumps(found))
