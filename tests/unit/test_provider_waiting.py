"""The waiting loop against an API server that plays a script."""

import threading
import time
from typing import Any, cast

import pytest

from local.providers.kubernetes.client import Cluster
from local.providers.kubernetes.waiting import Waiter
from local.providers.protocol import PluginError

PATH = "/apis/apps/v1/namespaces/here/deployments/web"


def web(available: int) -> dict[str, Any]:
    counts = {"updatedReplicas": 2, "replicas": 2, "availableReplicas": available}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "here", "generation": 1, "uid": "first"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 1, **counts},
    }


class Script:
    """Answers `get` from a list, the last one for ever, and `items` by the collection's last word."""

    def __init__(self, answers: list[Any], **items: list[dict[str, Any]]) -> None:
        self.answers, self.lists = answers, items
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        assert path == PATH
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def items(self, path: str, **selector: str) -> list[dict[str, Any]]:
        self.asked += selector.values()
        return self.lists.get(path.rpartition("/")[2], [])


def waiter(script: Script, stop: threading.Event | None = None) -> Waiter:
    return Waiter(cast("Cluster", script), stop or threading.Event())


def test_progress_is_told_when_it_changes_and_the_ready_object_comes_back() -> None:
    told: list[str] = []
    script = Script([web(0), web(0), web(1), web(2)])
    assert waiter(script).wait(PATH, 5, told.append) == web(2)
    assert told == ["0 of 2 replicas are available", "1 of 2 replicas are available"]


def test_when_time_is_up_pods_and_events_say_why_once_each() -> None:
    unscheduled = [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]
    pods = [{"metadata": {"name": f"web-{n}"}, "status": {"conditions": unscheduled}} for n in (1, 2)]
    events = [
        {"message": "0/2 nodes are available", "involvedObject": {"name": "web-1"}},
        {"message": "Readiness probe failed", "involvedObject": {"name": "web-2"}},
        {"message": "none of ours", "involvedObject": {"name": "other"}},
    ]
    script = Script([web(0)], pods=pods, events=events)
    with pytest.raises(PluginError) as raised:
        waiter(script).wait(PATH, 0.2, lambda _: None)
    assert str(raised.value) == (
        "not done after 0.2 seconds: 0 of 2 replicas are available; 0/2 nodes are available (2 pods); "
        "Readiness probe failed"
    )
    assert script.asked == ["app=web", "type=Warning"]


def test_a_stop_ends_a_wait_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    start = time.monotonic()
    with pytest.raises(PluginError, match="cancelled: 0 of 2 replicas are available"):
        waiter(Script([web(0)]), stop).wait(PATH, 60, lambda _: None)
    assert time.monotonic() - start < 1.5


def test_an_object_that_vanishes_or_gives_up_is_not_waited_for() -> None:
    with pytest.raises(PluginError, match="it was deleted by someone else"):
        waiter(Script([web(0), None])).wait(PATH, 60, lambda _: None)
    hopeless = web(1)
    hopeless["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "message": "timed out progressing"}
    ]
    with pytest.raises(PluginError, match=r"^timed out progressing$"):
        waiter(Script([hopeless])).wait(PATH, 60, lambda _: None)


def test_a_deletion_is_over_when_the_object_is_gone_or_another_stands_there() -> None:
    told: list[str] = []
    held = web(2)
    held["metadata"]["finalizers"] = ["a", "b"]
    waiter(Script([held, web(2), None])).wait(PATH, 5, told.append, leaving="first")
    assert told == ["it still exists, held by a b", "it still exists"]
    successor = web(2)
    successor["metadata"]["uid"] = "second"
    waiter(Script([web(2), successor])).wait(PATH, 5, told.append, leaving="first")
