"""Waits until the controllers of a cluster have nothing left to do."""

import time

from local.kubectl import Kubectl

SETTLE_SECONDS = 120
POLL_SECONDS = 0.5


def unsettled(kubectl: Kubectl) -> list[str]:
    """Names of autoscalers yet to act and of Deployments short of pods.

    An `up` that meets one of them takes it up again, as it should: so a test that counts what `up` changes
    waits for them. A gateway begins with one pod, and its autoscaler asks for the second seconds later.
    """
    waiting = []
    for scaler in kubectl.list("hpa", "-A"):
        least = scaler["spec"].get("minReplicas", 1)
        if scaler.get("status", {}).get("currentReplicas", 0) < least:
            waiting.append(f"HorizontalPodAutoscaler/{scaler['metadata']['name']}")
    for deployment in kubectl.list("deployments", "-A"):
        status = deployment.get("status", {})
        is_seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")}
        if not is_seen or counts != {deployment["spec"]["replicas"]}:
            waiting.append(f"Deployment/{deployment['metadata']['name']}")
    return waiting


def settle(kubectl: Kubectl) -> None:
    """Wait until nothing is unsettled; fails with what is."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while waiting := unsettled(kubectl):
        assert time.monotonic() < deadline, f"not settled after {SETTLE_SECONDS} s: {waiting}"
        time.sleep(POLL_SECONDS)
