"""Waits until the controllers of a cluster have nothing left to do."""

import time

from local.kubectl import Kubectl
from local.providers.kubernetes.readiness import missing
from local.report import scalers_behind

SETTLE_SECONDS = 120
POLL_SECONDS = 0.5


def unsettled(kubectl: Kubectl) -> list[str]:
    """Autoscalers yet to act, and what Deployments lack by the stand-in's own judgement.

    An `up` that meets one of them takes it up again, as it should: so a test that counts what `up` changes
    waits for them. A gateway begins with one pod, and its autoscaler asks for the second seconds later.
    """
    behind = scalers_behind(kubectl.list("hpa", "-A"))
    lacks = [(item["metadata"]["name"], missing(item, [])) for item in kubectl.list("deployments", "-A")]
    return [f"autoscaler {name}" for name in behind] + [f"{name}: {lack}" for name, lack in lacks if lack]


def settle(kubectl: Kubectl) -> None:
    """Wait until nothing is unsettled; fails with what is."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while waiting := unsettled(kubectl):
        assert time.monotonic() < deadline, f"not settled after {SETTLE_SECONDS} s: {waiting}"
        time.sleep(POLL_SECONDS)
