"""Rules on seeing what happens, and being told in time."""

from collections.abc import Iterator, Mapping

from planner.checklist.broken import Broken, Check
from planner.checklist.facts import StackFacts


def _engine_metrics(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.has_traffic and not version.has_metrics:
            yield Broken(
                f"{version.path}.engine",
                f"{version.engine} shows no metrics: its queue and GPU can be neither seen nor followed",
                "serve this model with another engine, or live with the gateway's metrics",
            )


def _objectives(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        if not model.has_objectives:
            yield Broken(
                f"{model.path}.objectives",
                "is not given: nothing says when it is too slow, and no alert can",
                "promise ttft_p95_seconds and tpot_p95_seconds",
            )


def _metrics(facts: StackFacts) -> Iterator[Broken]:
    if facts.metrics_collected is False:
        yield Broken("observability", "nothing collects metrics", "let Prometheus scrape engines and gateway")


def _alerts(facts: StackFacts) -> Iterator[Broken]:
    if facts.alerts is False:
        yield Broken(
            "platform.alerts",
            "is off: users tell you first",
            "switch alerts on: errors, latency, queue, GPU, cost, missing telemetry",
        )


def _dashboards(facts: StackFacts) -> Iterator[Broken]:
    if facts.dashboards is False:
        yield Broken("platform.dashboard", "is off: there is nothing to look at", "switch it on")


def _traces(facts: StackFacts) -> Iterator[Broken]:
    if facts.traces is False:
        yield Broken(
            "observability.traces",
            "is off: a slow request cannot be followed from gateway to engine",
            "name an OpenTelemetry endpoint",
        )


def _logs(facts: StackFacts) -> Iterator[Broken]:
    if facts.logs_collected is False:
        yield Broken(
            "observability.logs",
            "is off: the reason of a failed start goes with its pod",
            "collect the logs of engines and gateway",
        )


def _control_plane(facts: StackFacts) -> Iterator[Broken]:
    if facts.control_plane_logs is False:
        yield Broken(
            "cluster.log_types",
            "lack audit: who changed the cluster cannot be told afterwards",
            "name api, audit and authenticator",
        )


RULES: Mapping[str, Check] = {
    "engine-without-metrics": _engine_metrics,
    "objectives-missing": _objectives,
    "metrics-not-collected": _metrics,
    "alerts-off": _alerts,
    "dashboards-off": _dashboards,
    "traces-off": _traces,
    "logs-not-collected": _logs,
    "control-plane-logs-off": _control_plane,
}
