"""Scores of the memory estimator against measured vLLM launches, and their cross-validation by source.

`python -m tests.planner_score [DIRECTORY] [--cross-validate]` prints the tables of docs/planner.md. DIRECTORY
has `data/vllm-memory-calibration.jsonl` and `tools/score_memory.py`; by default it is `../shared`.
"""

import argparse
import importlib.util
import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.batch import answer
from planner.memory.releases import vllm_memory
from tests.stack_files import ROOT

SHARED = ROOT.parent / "shared"
CORE_ERAS = ("V1_lt_0.20", "0.20", "ge_0.21")

Case = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Constant:
    """One calibrated number: where it stands in vllm_memory.yaml, and its value before calibration.

    `prior` is what the mechanism alone suggests; it stays where no launch of the training sources tells more.
    """

    path: tuple[str | int, ...]
    prior: float


CONSTANTS = (
    Constant(("sampler_bytes_per_logit", "sort"), 38),  # 18 in tensors, about 20 of sort workspace
    Constant(("sampler_bytes_per_logit", "in_place"), 14),
    Constant(("non_torch_gib", 0, "value"), 0.1),
    Constant(("non_torch_gib", 0, "hopper"), 0.1),
    Constant(("non_torch_gib", 1, "value"), 0.1),
    Constant(("non_torch_gib", 1, "hopper"), 0.1),
    Constant(("non_torch_gib", 2, "value"), 0.2),
    Constant(("non_torch_gib", 2, "hopper"), 0.2),
    Constant(("parallel_gib", 0, "plain"), 0.2),
    Constant(("parallel_gib", 0, "nvls"), 0.2),
    Constant(("parallel_gib", 1, "plain"), 0.2),
    Constant(("parallel_gib", 1, "nvls"), 1.0),
    Constant(("forward_factor",), 1.0),
    Constant(("encoder_hidden_copies",), 3),
    Constant(("graph_mib",), 8),
)


def scorer(shared: Path) -> Any:
    """Return the scorer's own module: cases, truths and metrics are its, not ours."""
    spec = importlib.util.spec_from_file_location("score_memory", shared / "tools" / "score_memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_cases(shared: Path) -> list[Case]:
    path = shared / "data" / "vllm-memory-calibration.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def core(score: Any, cases: Sequence[Case]) -> list[Case]:
    """Launches of vLLM's V1 engine on discrete NVIDIA GPUs whose model size and inputs are known."""
    return [
        case
        for case in cases
        if case["quality"] in ("A", "B")
        and score.era(case) in CORE_ERAS
        and score.platform(case) == "nvidia_discrete"
        and case["model"].get("params_b")
    ]


def answered(score: Any, cases: Sequence[Case], *, logged_total: bool = True) -> list[tuple[Case, Answer]]:
    """Answer each case; without `logged_total`, the GPU's memory has to be known from its name."""
    return [
        (case, answer(json.dumps(score.inputs(case, number, logged_total))))
        for number, case in enumerate(cases)
    ]


def figures(score: Any, pairs: Sequence[tuple[Case, Answer]]) -> dict[str, float | None]:
    """The figures of the issue, by the scorer's own arithmetic."""
    numbers, failures = score.numeric(pairs), score.failures(pairs, [0.5])
    tokens, kv = numbers["kv_cache_tokens_rel"], numbers["kv_available_gib"]
    return {
        "launches": len(pairs),
        "KV tokens, median error": tokens["median"],
        "KV tokens, p90 error": tokens["p90"],
        "KV GiB, median error": kv["abs_median"],
        "weights, p90 error": numbers["weights_rel"]["p90"],
        "failures called does_not_fit": failures["recall"],
        "failures not called fits": failures["flagged"],
        "started, called does_not_fit": failures["false_fail"],
        "started, called uncertain": failures["uncertain_on_started"],
        "failures below 0.5 GiB headroom": failures["margin_table"][0]["recall"],
        "started below 0.5 GiB headroom": failures["margin_table"][0]["false_fail"],
        "80 % interval covers": kv["interval_coverage"],
        "80 % interval width, median GiB": kv["interval_width_median"],
    }


def cross_validated(score: Any, cases: Sequence[Case]) -> list[tuple[Case, Answer]]:
    """Answer every case with constants that were calibrated without its source."""
    pairs = []
    for source in sorted({score.source_key(case) for case in cases}):
        train = [case for case in cases if score.source_key(case) != source]
        with calibrated(score, train):
            pairs += answered(score, [case for case in cases if score.source_key(case) == source])
    return pairs


@contextmanager
def calibrated(score: Any, cases: Sequence[Case]) -> Iterator[dict[tuple[str | int, ...], float]]:
    """Set all constants to what `cases` alone suggest, for the time of the block."""
    before = {constant.path: _get(constant.path) for constant in CONSTANTS}
    measured = [case for case in cases if case["outcome"].get("kv_available_gib") is not None]
    try:
        for constant in CONSTANTS:
            _set(constant.path, constant.prior)
        for _ in range(2):
            for constant in CONSTANTS:
                _set(constant.path, _fitted(score, constant, measured))
        yield {constant.path: _get(constant.path) for constant in CONSTANTS}
    finally:
        for path, value in before.items():
            _set(path, value)


def _fitted(score: Any, constant: Constant, cases: Sequence[Case]) -> float:
    """Median over sources of the value that would have met each launch, all other constants as they are."""
    now, step = _get(constant.path), 0.2 * constant.prior
    errors = [_error(score, case) for case in cases]
    _set(constant.path, now + step)
    moved = [_error(score, case) for case in cases]
    _set(constant.path, now)
    votes: dict[str, list[float]] = {}
    for case, error, other in zip(cases, errors, moved, strict=True):
        if error is None or other is None or abs(other - error) < 0.01:
            continue
        votes.setdefault(score.source_key(case), []).append(now - error * step / (other - error))
    if not votes:
        return constant.prior
    value = statistics.median(statistics.median(found) for found in votes.values())
    return min(max(value, constant.prior / 4), 4 * constant.prior)


def _error(score: Any, case: Case) -> float | None:
    found = answer(json.dumps(score.inputs(case, 0))).get("kv_available_gib")
    return None if found is None else found - case["outcome"]["kv_available_gib"]


def _get(path: tuple[str | int, ...]) -> float:
    place: Any = vllm_memory()
    for key in path:
        place = place[key]
    return float(place)


def _set(path: tuple[str | int, ...], value: float) -> None:
    place: Any = vllm_memory()
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=SHARED)
    parser.add_argument("--cross-validate", action="store_true", help="also without each case's source")
    options = parser.parse_args()
    score = scorer(options.directory)
    cases = core(score, read_cases(options.directory))
    columns = {"fit": figures(score, answered(score, cases))}
    if options.cross_validate:
        columns["by source"] = figures(score, cross_validated(score, cases))
    print("| figure | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in columns["fit"]:
        print(f"| {name} | " + " | ".join(_shown(column[name]) for column in columns.values()) + " |")
    with calibrated(score, cases) as values:
        print("\nconstants as all cases suggest, one vote a source, beside those in vllm_memory.yaml:")
        suggested = dict(values)
    for path, value in suggested.items():
        print(f"  {'.'.join(map(str, path))}: {value:.3g} beside {_get(path):.3g}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
