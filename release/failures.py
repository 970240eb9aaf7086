"""Does the canary fail more than stable? Answered from counts alone, at any moment. Pure.

Given that a request failed, which version did it hit? A canary that fails just as much as is tolerated has a
known share of the failures; bets against that share win only if it fails more. Formulas: the canary study,
section 4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from scipy.special import betaincinv

Pair = tuple[float, float, float, float]
"""Of one step: failures and requests of the canary, then of stable."""
WORSE = (1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Ratios of failure beyond the tolerated one that are bet on, equally."""


@dataclass(frozen=True)
class Failures:
    """One kind of failure of both versions, in each step."""

    name: str
    steps: Sequence[Pair]

    def total(self) -> Pair:
        """Sums over the steps."""
        failed, requests, others, other_requests = (sum(column) for column in zip(*self.steps, strict=True))
        return failed, requests, others, other_requests

    def stable_share(self) -> float:
        """Stable's share of failures, drawn towards 0.5 %: no failure yet does not mean that none comes."""
        _, _, failed, requests = self.total()
        return (failed + 0.5) / (requests + 100)

    def highest_share(self, exclusion: float) -> float:
        """Clopper-Pearson bound of the canary's share of failures, exceeded with this chance."""
        failed, requests, _, _ = self.total()
        failed = min(failed, requests - 1)
        return float(betaincinv(failed + 1, requests - failed, 1 - exclusion))

    def evidence(self, tolerated: float) -> float:
        """E-value that the canary fails more than `tolerated` times as often.

        Its mean is at most 1 if the canary is within the tolerance, whenever one looks.
        """
        logs = []
        for worse in WORSE:
            total = 0.0
            for failures, requests, others, other_requests in self.steps:
                if requests <= 0 or other_requests <= 0:
                    continue
                fair = tolerated * requests / (tolerated * requests + other_requests)
                bet = worse * tolerated * requests / (worse * tolerated * requests + other_requests)
                total += failures * log(bet / fair) + others * log((1 - bet) / (1 - fair))
            logs.append(total)
        top = max(logs)
        return exp(min(top, 700.0)) * sum(exp(each - top) for each in logs) / len(logs)
