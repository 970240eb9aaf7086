"""PromQL that alerts and dashboards share. Pure.

Series of engines carry their pod's labels under Prometheus' names, as the monitors copy them; those of the
gateway carry `model_id`. Every selector names its namespace: one Prometheus may watch several stacks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from components.engines import adapter
from components.gateway.metrics import BACKEND_LABEL, LITELLM, NOT_THE_BACKENDS_FAULT
from components.spec import EngineName, VersionSpec

NAME, INSTANCE = "app_kubernetes_io_name", "app_kubernetes_io_instance"
MODEL, VERSION = "llmserve_dev_model", "llmserve_dev_version"
GPU_BUSY = "DCGM_FI_DEV_GPU_UTIL"
"""Percent of time a kernel ran (dcgm-exporter etc/default-counters.csv, as the next three)."""
GPU_MEMORY_USED, GPU_MEMORY_FREE = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"
"""MiB."""
GPU_FAULT = "DCGM_FI_DEV_XID_ERRORS"
"""The last XID of a GPU."""
AVAILABLE = "kube_deployment_status_replicas_available"
"""Of kube-state-metrics (its documentation of deployment metrics)."""


def engines_of(versions: Sequence[VersionSpec]) -> tuple[EngineName, ...]:
    """Engines in use, sorted."""
    return tuple(sorted({spec.engine.engine for spec in versions}))


def gauge(
    engines: Iterable[EngineName],
    what: Literal["waiting", "running", "kv_usage"],
    namespace: str,
    matchers: str = "",
) -> str | None:
    """A gauge of every engine that has it; None when no engine in use has one."""
    names = [getattr(adapter(engine).metrics, what) for engine in engines]
    return " or ".join(select(name, namespace, matchers) for name in names if name) or None


def p95(
    engines: Iterable[EngineName],
    what: Literal["ttft", "tpot"],
    namespace: str,
    window: str,
    matchers: str = "",
) -> str | None:
    """95th percentile by version, seconds; None when no engine in use measures it.

    By version and not by model: engines have different buckets, which cannot be added.
    """
    names = [getattr(adapter(engine).metrics, f"{what}_histogram") for engine in engines]
    rates = [f"rate({select(f'{name}_bucket', namespace, matchers)}[{window}])" for name in names if name]
    if not rates:
        return None
    return f"histogram_quantile(0.95, sum by (le, {MODEL}, {VERSION}) ({' or '.join(rates)}))"


def failures(namespace: str, window: str) -> str:
    """Tries per second that failed by the backend's fault, by backend."""
    fault = f'exception_class!~"{NOT_THE_BACKENDS_FAULT}"'
    return f"sum by ({BACKEND_LABEL}) (rate({select(LITELLM.failure, namespace, fault)}[{window}]))"


def tries(namespace: str, window: str) -> str:
    """Tries per second, failed or not, by backend. A try is one call of it; a request may take several."""
    good, bad = by_backend(LITELLM.success, namespace, window), failures(namespace, window)
    return f"({good} or 0 * {bad}) + ({bad} or 0 * {good})"


Rated = Literal["failures", "tries"]
RATED: Mapping[Rated, Callable[[str, str], str]] = {"failures": failures, "tries": tries}
"""Queries that are recorded, since several alerts ask for them."""


def recorded(what: Rated, window: str) -> str:
    """Name of the recorded series, which have the labels namespace and model_id."""
    return f"{BACKEND_LABEL}:llmserve_{what}:rate{window}"


def by_backend(counter: str, namespace: str, window: str) -> str:
    """A counter of the gateway by backend, per second."""
    return f"sum by ({BACKEND_LABEL}) (rate({select(counter, namespace)}[{window}]))"


def by_version(gpu_metric: str, namespace: str) -> str:
    """A GPU metric with model and version of the pod that holds the GPU.

    Only versions whose engine is scraped: that is where pods get their model and version from.
    """
    pods = f"max by (namespace, pod, {MODEL}, {VERSION}) ({up(namespace, 'engine')} >= bool 0)"
    return f"{select(gpu_metric, namespace)} * on (namespace, pod) group_left ({MODEL}, {VERSION}) {pods}"


def up(namespace: str, name: Literal["engine", "gateway"], instance: str | None = None) -> str:
    """Whether the last scrape worked, by pod: of one workload or of all."""
    own = f',{INSTANCE}="{instance}"' if instance else ""
    return select("up", namespace, f'{NAME}="{name}"{own}')


def select(metric: str, namespace: str, matchers: str = "") -> str:
    """Series of a metric in a namespace that match further."""
    return f'{metric}{{namespace="{namespace}"{"," if matchers else ""}{matchers}}}'
