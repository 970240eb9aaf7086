"""Waits until objects are ready or gone, tells what it waits for, and stops at once when asked to."""

import threading
import time
from collections import Counter

from local.providers.kubernetes.client import Cluster, Tell
from local.providers.kubernetes.readiness import HopelessError, missing, needs_endpoints, pod_words
from local.providers.protocol import Json, PluginError

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0


class Waiter:
    """Waits for objects of one cluster. Setting `stop` ends every wait."""

    def __init__(self, cluster: Cluster, stop: threading.Event) -> None:
        self._cluster = cluster
        self._stop = stop

    def look(self, live: Json | None) -> tuple[str, bool]:
        """Return what an object lacks to be ready ("": nothing), and whether there is hope that it comes."""
        if not live:
            return "it was deleted by someone else while it was waited for", False
        slices: list[Json] = []
        if needs_endpoints(live):
            path = f"/apis/discovery.k8s.io/v1/namespaces/{live['metadata']['namespace']}/endpointslices"
            label = f"kubernetes.io/service-name={live['metadata']['name']}"
            slices = self._cluster.items(path, labelSelector=label)
        try:
            return missing(live, slices), True
        except HopelessError as error:
            return str(error), False

    def wait(self, path: str, seconds: float, tell: Tell, leaving: str = "") -> Json:
        """Wait until an object is ready and return it; told the uid that is `leaving`, until it is gone."""
        end, pause, told = time.monotonic() + seconds, FIRST_PAUSE_SECONDS, ""
        while True:
            is_late = time.monotonic() >= end
            live = self._cluster.get(path)
            lack, has_hope = self._still_there(live, leaving) if leaving else self.look(live)
            if not lack:
                return live or {}
            verdict = f"not done after {seconds:g} seconds: " if is_late else ""
            if self._stop.is_set():
                verdict = "cancelled: "
            if live and (verdict or not has_hope or pause == LONGEST_PAUSE_SECONDS):
                lack = "; ".join([lack, *self._words_about(live)])
            if verdict or not has_hope:
                raise PluginError(verdict + lack)
            if lack != told:
                tell(lack)
            told = lack
            self._stop.wait(min(pause, max(0.0, end - time.monotonic())))
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    def _still_there(self, live: Json | None, uid: str) -> tuple[str, bool]:
        if not live or live["metadata"]["uid"] != uid:
            return "", True
        holders = live["metadata"].get("finalizers") or live.get("spec", {}).get("finalizers") or []
        return " ".join(["it still exists, held by", *holders]) if holders else "it still exists", True

    def _words_about(self, live: Json) -> list[str]:
        """Collect what an object's pods, and events about it and them, say: each once, with its count."""
        core = f"/api/v1/namespaces/{live['metadata'].get('namespace')}"
        names, words = {live["metadata"]["name"]}, Counter[str]()
        if labels := (live.get("spec", {}).get("selector") or {}).get("matchLabels"):
            selector = ",".join(f"{key}={value}" for key, value in labels.items())
            pods = self._cluster.items(f"{core}/pods", labelSelector=selector)
            names |= {pod["metadata"]["name"] for pod in pods}
            words.update(word for pod in pods for word in pod_words(pod))
        if "namespace" in live["metadata"]:
            events = self._cluster.items(f"{core}/events", fieldSelector="type=Warning")
            told = {event["message"] for event in events if event["involvedObject"].get("name") in names}
            words.update(told - words.keys())
        return [f"{word} ({count} pods)" if count > 1 else word for word, count in words.items()]
