"""Rule groups as a PrometheusRule. Pure."""

from collections.abc import Sequence
from typing import Any

from components import naming
from components.spec import Manifest


def prometheus_rule(name: str, namespace: str, groups: Sequence[dict[str, Any]]) -> Manifest:
    """A PrometheusRule with these groups, in the format of a Prometheus rules file."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "namespace": namespace, "labels": naming.labels("rules", name)},
        "spec": {"groups": list(groups)},
    }
