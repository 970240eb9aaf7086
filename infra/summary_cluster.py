"""What a preview says about an EKS cluster: cost per hour, quotas to have, days of support left. Pure."""

from datetime import date
from typing import Any

from infra.resolve_cluster import cluster_parts, pool_capacity, pool_parts
from infra.stackfile.cluster import EksClusterSettings
from infra.stackfile.stack import StackSettings
from planner.capacity import quotas
from planner.cluster_cost import CostLine, cluster_cost, total
from planner.eks import support_calendar, support_note
from planner.quota import QuotaNeed


def cluster_summary(settings: StackSettings, cluster: EksClusterSettings, today: date) -> dict[str, Any]:
    """The summary as data, for the stack's outputs. Cost in US dollars per hour, us-east-1 list prices.

    Dates rather than days left: outputs do not change from day to day.
    """
    lines = cost_lines(settings, cluster, today)
    support = support_calendar()[cluster.kubernetes_version]
    return {
        "standard_support_until": str(support.standard_until),
        "extended_support_until": str(support.extended_until),
        "cost_usd_per_hour": {
            line.what: {"min": round(line.min_usd, 3), "max": round(line.max_usd, 3)}
            for line in [*lines, total(lines)]
        },
        "quota_vcpus": {need.quota.code: need.vcpus_max for need in _quotas(settings)},
    }


def cluster_text(settings: StackSettings, cluster: EksClusterSettings, today: date) -> str:
    """The summary as text, for the log of a preview."""
    lines = cost_lines(settings, cluster, today)
    rows = [*lines, total(lines)]
    width = max(len(line.what) for line in rows)
    return "\n".join(
        [
            f"{cluster.name}: {support_note(cluster.kubernetes_version, today)}",
            "cost per hour, pools at min and at max (us-east-1 list prices; no traffic, logs, requests):",
            *(
                f"  {line.what:<{width}} ${line.min_usd:9.3f}  ${line.max_usd:9.3f}{_note(line)}"
                for line in rows
            ),
            "vCPU quotas needed with every pool at max:",
            *(f"  {need.vcpus_max:5} {need.quota.name} ({need.quota.code})" for need in _quotas(settings)),
        ]
    )


def cost_lines(settings: StackSettings, cluster: EksClusterSettings, today: date) -> list[CostLine]:
    """What the cluster costs per hour, line by line; extended support makes the control plane dearer."""
    extended = today > support_calendar()[cluster.kubernetes_version].standard_until
    parts = [pool_parts(name, pool) for name, pool in settings.pools.items()]
    return cluster_cost(cluster_parts(settings, cluster, extended_support=extended), parts)


def _quotas(settings: StackSettings) -> list[QuotaNeed]:
    return quotas([pool_capacity(name, pool) for name, pool in settings.pools.items()])


def _note(line: CostLine) -> str:
    return f"  ({line.note})" if line.note else ""
