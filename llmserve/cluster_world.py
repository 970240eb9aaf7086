"""A stack as it runs in a cluster, for the promoter: kubectl, Prometheus over HTTP, the gateway, a pulumi."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

from components.gateway.litellm import CONFIG_FOLDER
from components.naming import selector, version_name
from infra.resolve import GATEWAY_NAME
from local import report
from local.errors import LocalError
from local.kubectl import Kubectl
from release.errors import ReleaseError
from release.observation import Sources
from release.series import Series
from release.world import AwayError, World

ASK_SECONDS = 10
ANSWER_SECONDS = 120


class ClusterWorld(World):
    """One stack in a cluster, and one model of it."""

    def __init__(
        self,
        *,
        stack_file: Path,
        model: str,
        sources: Sources,
        kubectl: Kubectl,
        prometheus_url: str,
        apply: Callable[[], None],
        gateway: tuple[str, str] | None,
    ) -> None:
        """`gateway`: its address and a key that may ask for versions by name; None = they cannot be asked."""
        self.stack_file, self.sources = stack_file, sources
        self._model, self._kubectl, self._apply = model, kubectl, apply
        self._prometheus, self._gateway = prometheus_url.rstrip("/"), gateway

    def apply(self) -> None:
        """See World."""
        self._apply()

    def not_ready(self, version: str) -> list[str]:
        """See World: with one Ready pod it can take traffic, however many the autoscaler is starting."""
        labels = selector("engine", version_name(self._model, version))
        wanted = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = self._list("pods", "-l", wanted)
        if any(report.is_ready(pod) for pod in pods):
            return []
        words = [f"{pod['metadata']['name']}: {report.why_not_ready(pod)}" for pod in pods]
        return words or [f"there is no pod of {version_name(self._model, version)}"]

    def gateway_weights(self) -> dict[str, int] | None:
        """See World: read from the configuration that the rolled pods mount."""
        found = self._list("deployments", "-l", f"app.kubernetes.io/instance={GATEWAY_NAME}")
        if not found or not _has_rolled(found[0]):
            return None
        config = yaml.safe_load(self._config(found[0])["config.yaml"])
        prefix = version_name(self._model, "")
        return {
            entry["model_info"]["id"].removeprefix(prefix): entry["litellm_params"]["weight"]
            for entry in config["model_list"]
            if entry["model_name"] == self._model
        }

    def answer(self, version: str, prompt: str, max_tokens: int) -> str:
        """See World."""
        if self._gateway is None:
            raise ReleaseError(
                "to ask versions by name, the gateway is needed: give --gateway-url, and its master key in "
                "LLMSERVE_GATEWAY_KEY"
            )
        url, key = self._gateway
        name = version_name(self._model, version)
        body = {"model": name, "max_tokens": max_tokens, "messages": [{"role": "user", "content": prompt}]}
        try:
            answer = requests.post(
                f"{url}/v1/chat/completions",
                json=body,
                headers={"Authorization": f"Bearer {key}"},
                timeout=ANSWER_SECONDS,
            )
            if answer.status_code != requests.codes.ok:
                raise ReleaseError(f"{name}, asked by name: status {answer.status_code}: {answer.text[:300]}")
            return str(answer.json()["choices"][0]["message"]["content"] or "")
        except (requests.RequestException, LookupError, ValueError, TypeError) as problem:
            raise ReleaseError(f"{name}, asked by name: {problem}") from None

    def prometheus_time(self) -> float:
        """See World."""
        data = self._ask("time()", None)
        try:
            return float(data["result"][1])
        except (LookupError, TypeError, ValueError):
            raise AwayError(f"{self._prometheus} does not answer as Prometheus does") from None

    def query(self, selector: str, at: float) -> list[Series]:
        """See World."""
        data = self._ask(selector, at)
        try:
            return [
                Series(row["metric"], [(float(time), float(value)) for time, value in row["values"]])
                for row in data["result"]
            ]
        except (LookupError, TypeError, ValueError):
            raise AwayError(f"{self._prometheus} does not answer as Prometheus does") from None

    def monotonic(self) -> float:
        """See World."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See World."""
        time.sleep(seconds)

    def _ask(self, query: str, at: float | None) -> dict[str, Any]:
        form = {"query": query, **({} if at is None else {"time": f"{at:.3f}"})}
        try:
            answer = requests.post(f"{self._prometheus}/api/v1/query", data=form, timeout=ASK_SECONDS)
            body = answer.json()
        except (requests.RequestException, ValueError) as problem:
            raise AwayError(f"Prometheus at {self._prometheus}: {problem}") from None
        if not isinstance(body, dict) or body.get("status") != "success":
            raise AwayError(f"Prometheus at {self._prometheus}: {str(body)[:300]}")
        data: dict[str, Any] = body["data"]
        return data

    def _list(self, *arguments: str) -> list[dict[str, Any]]:
        try:
            return self._kubectl.list(*arguments, "-n", self.sources.namespace)
        except LocalError as problem:
            raise ReleaseError(str(problem)) from None

    def _config(self, deployment: dict[str, Any]) -> dict[str, str]:
        """Data of the config map that the gateway's pods mount."""
        pod = deployment["spec"]["template"]["spec"]
        mounts = {m["mountPath"]: m["name"] for c in pod["containers"] for m in c.get("volumeMounts", [])}
        (name,) = (v["configMap"]["name"] for v in pod["volumes"] if v["name"] == mounts[CONFIG_FOLDER])
        try:
            text = self._kubectl.run("get", "configmap", name, "-n", self.sources.namespace, "-o", "json")
        except LocalError as problem:
            raise ReleaseError(str(problem)) from None
        data: dict[str, str] = json.loads(text)["data"]
        return data


def _has_rolled(deployment: Mapping[str, Any]) -> bool:
    """Whether all pods are of the newest template, and there."""
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    return bool(
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) >= wanted
    )
