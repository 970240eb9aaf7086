"""metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io for the pods of this process.

Pods metrics come from the pods' own /metrics (annotations prometheus.io/*), names with `_` for `:`; external
ones from the stack's Prometheus, as a query for the series of that name.
"""

import asyncio
import re
import time
from collections.abc import Mapping

import aiohttp
from aiohttp import web

from local.node.agent import Agent
from local.node.api import Api, Json
from local.node.pod import Pod
from local.node.process import usage
from local.node.status import timestamp

SAMPLE_SECONDS = 15  # as metrics-server does
SCRAPE_TIMEOUT = aiohttp.ClientTimeout(total=2)
NAMESPACE, SERVICE = "kube-system", "llmserve-node-metrics"
GROUPS = {
    "metrics.k8s.io": "v1beta1",
    "custom.metrics.k8s.io": "v1beta2",
    "external.metrics.k8s.io": "v1beta1",
}
_SERIES = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+([^\s]+)", re.MULTILINE)


def series_sum(text: str, metric: str) -> float | None:
    """Sum of all series of a metric in Prometheus text, `:` in names read as `_`; None without any. Pure."""
    found = [float(value) for name, value in _SERIES.findall(text) if name.replace(":", "_") == metric]
    return sum(found) if found else None


def plain_selector(text: str) -> dict[str, str] | None:
    """Labels that a selector of equalities asks for; None for any other selector. Pure."""
    parts = [part.partition("=") for part in text.split(",") if part]
    if any(not equals or not set("!() ").isdisjoint(key + value) for key, equals, value in parts):
        return None
    return {key: value.removeprefix("=") for key, _, value in parts}


def query(metric: str, namespace: str, selector: str) -> str:
    """PromQL for an external metric with an equality selector. Pure."""
    wanted = [part.partition("=")[::2] for part in selector.split(",") if part]
    matchers = [f'{name}="{value.lstrip("=")}"' for name, value in [("namespace", namespace), *wanted]]
    return f"max({metric}{{{','.join(matchers)}}})"


async def publish(api: Api, port: int) -> None:
    """Have the API server pass the three APIs on to `port`; ExternalName is what it accepts for loopback."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    await api.apply(f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}", service)
    for group, version in GROUPS.items():
        spec = {
            "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
            "group": group,
            "version": version,
            # the certificate is for localhost, the name asked for is the Service's
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        name = f"{version}.{group}"
        body = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": name},
            "spec": spec,
        }
        await api.apply(f"/apis/apiregistration.k8s.io/v1/apiservices/{name}", body)


class Metrics:
    """Measures and answers."""

    def __init__(self, api: Api, agent: Agent, prometheus: str | None) -> None:
        self._api, self._agent, self._prometheus = api, agent, prometheus
        self._usage: dict[int, tuple[float, float, float, int]] = {}
        """By process: time and CPU seconds when measured, cores since the time before, bytes."""

    async def measure(self) -> None:
        """Measure CPU and memory for ever."""
        while True:
            pids = [c.pid for pod in self._agent.pods.values() for c in pod.containers if c.pid]
            now, fresh = time.monotonic(), {}
            for pid, (seconds, resident) in usage(pids).items():
                then, before, _, _ = self._usage.get(pid, (now - SAMPLE_SECONDS, seconds, 0.0, 0))
                fresh[pid] = (now, seconds, max(seconds - before, 0) / (now - then), resident)
            self._usage = fresh
            await asyncio.sleep(SAMPLE_SECONDS)

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        get = app.router.add_get
        for group, version in GROUPS.items():
            get(f"/apis/{group}/{version}", self._resources)
        resources, custom, external = (f"/apis/{group}/{version}" for group, version in GROUPS.items())
        get(resources + "/nodes", self._nodes)
        get(resources + "/nodes/{name}", self._nodes)
        get(resources + "/pods", self._pods)
        get(resources + "/namespaces/{namespace}/pods", self._pods)
        get(resources + "/namespaces/{namespace}/pods/{name}", self._pods)
        get(custom + "/namespaces/{namespace}/pods/{name}/{metric}", self._custom)
        get(external + "/namespaces/{namespace}/{metric}", self._external)

    async def _resources(self, request: web.Request) -> web.Response:
        _, _, group, version = request.path.split("/")
        names = {"metrics.k8s.io": {"nodes": "NodeMetrics", "pods": "PodMetrics"}}.get(group, {})
        listed = [
            {
                "name": name,
                "singularName": "",
                "namespaced": name == "pods",
                "kind": kind,
                "verbs": ["get", "list"],
            }
            for name, kind in names.items()
        ]
        body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}"}
        return web.json_response({**body, "resources": listed})

    async def _nodes(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("name")
        totals: dict[str, list[Pod]] = {}
        for pod in self._agent.pods.values():
            totals.setdefault(pod.manifest["spec"]["nodeName"], []).append(pod)
        names = sorted(self._agent.nodes) if wanted is None else [wanted]
        items = []
        for name in names:
            used = [self._used(c.pid) for pod in totals.get(name, []) for c in pod.containers]
            both = (sum(cores for cores, _ in used), sum(size for _, size in used))
            items.append({"kind": "NodeMetrics", **_measured({"name": name}), "usage": _usage(*both)})
        return _answer("NodeMetricsList", "metrics.k8s.io/v1beta1", items, single=wanted is not None)

    async def _pods(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("name")
        items = []
        for pod in await self._selected(request):
            meta = {k: pod.manifest["metadata"].get(k, {}) for k in ("name", "namespace", "labels")}
            containers = [
                {"name": c.spec["name"], "usage": _usage(*self._used(c.pid))} for c in pod.containers if c.pid
            ]
            items.append({"kind": "PodMetrics", **_measured(meta), "containers": containers})
        return _answer("PodMetricsList", "metrics.k8s.io/v1beta1", items, single=wanted is not None)

    async def _custom(self, request: web.Request) -> web.Response:
        metric = request.match_info["metric"]
        pods = await self._selected(request)
        async with aiohttp.ClientSession(timeout=SCRAPE_TIMEOUT) as session:
            values = await asyncio.gather(*(_scrape(session, pod, metric) for pod in pods))
        items = [
            {
                "describedObject": {"kind": "Pod", "apiVersion": "v1"}
                | {k: pod.manifest["metadata"][k] for k in ("namespace", "name")},
                "metric": {"name": metric},
                "timestamp": timestamp(),
                "value": _milli(value),
            }
            for pod, value in zip(pods, values, strict=True)
            if value is not None
        ]
        return _answer("MetricValueList", "custom.metrics.k8s.io/v1beta2", items)

    async def _external(self, request: web.Request) -> web.Response:
        if self._prometheus is None:
            raise web.HTTPServiceUnavailable(
                text="external metrics come from Prometheus, which this stack lacks"
            )
        metric, namespace = request.match_info["metric"], request.match_info["namespace"]
        asked = {"query": query(metric, namespace, request.query.get("labelSelector", ""))}
        async with (
            aiohttp.ClientSession(timeout=SCRAPE_TIMEOUT) as session,
            session.get(f"{self._prometheus}/api/v1/query", params=asked) as answer,
        ):
            found = (await answer.json())["data"]["result"]
        items = [
            {
                "metricName": metric,
                "metricLabels": {},
                "timestamp": timestamp(),
                "value": _milli(float(r["value"][1])),
            }
            for r in found
        ]
        return _answer("ExternalMetricValueList", "external.metrics.k8s.io/v1beta1", items)

    async def _selected(self, request: web.Request) -> list[Pod]:
        """Our pods that the request means; a selector that is not plain the API server reads."""
        namespace, name = request.match_info.get("namespace"), request.match_info.get("name", "*")
        if namespace and name != "*":
            pod = self._agent.find(namespace, name)
            return [pod] if pod else []
        wanted = plain_selector(request.query.get("labelSelector", ""))
        if wanted is not None:
            metas = {uid: pod.manifest["metadata"] for uid, pod in self._agent.pods.items()}
            here = [uid for uid, meta in metas.items() if namespace in (None, meta["namespace"])]
            meant = [uid for uid in here if wanted.items() <= metas[uid].get("labels", {}).items()]
            return [self._agent.pods[uid] for uid in meant]
        path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        listed = await self._api.get(path, labelSelector=request.query.get("labelSelector", ""))
        uids = [item["metadata"]["uid"] for item in listed["items"]]
        return [self._agent.pods[uid] for uid in uids if uid in self._agent.pods]

    def _used(self, pid: int | None) -> tuple[float, int]:
        _, _, cores, resident = self._usage.get(pid or 0, (0.0, 0.0, 0.0, 0))
        return cores, resident


async def _scrape(session: aiohttp.ClientSession, pod: Pod, metric: str) -> float | None:
    notes: Mapping[str, str] = pod.manifest["metadata"].get("annotations", {})
    if notes.get("prometheus.io/scrape") != "true" or "prometheus.io/port" not in notes:
        return None
    url = f"http://{pod.address}:{notes['prometheus.io/port']}{notes.get('prometheus.io/path', '/metrics')}"
    try:
        async with session.get(url) as answer:
            return (
                series_sum(await answer.text(), metric) if answer.status == web.HTTPOk.status_code else None
            )
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _milli(value: float) -> str:
    return f"{round(value * 1000)}m"


def _usage(cores: float, resident: int) -> Json:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{resident // 1024}Ki"}


def _measured(meta: Json) -> Json:
    return {"metadata": meta, "timestamp": timestamp(), "window": f"{SAMPLE_SECONDS}s"}


def _answer(kind: str, version: str, items: list[Json], *, single: bool = False) -> web.Response:
    if single and not items:
        raise web.HTTPNotFound(text="no such object")
    if single:
        return web.json_response({"apiVersion": version, **items[0]})
    return web.json_response({"apiVersion": version, "kind": kind, "metadata": {}, "items": items})
