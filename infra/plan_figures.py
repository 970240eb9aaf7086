"""The figures of a plan as plain data, for the stack's outputs and `llmserve check`. Pure."""

from typing import Any

from components.serving.manifests import version_manifests
from infra.plan import StackPlan
from infra.plan_budgets import start_budget
from infra.plan_capacity import gateway_cores
from infra.plan_versions import VersionPlan
from infra.presets import presets
from planner.capacity import pool_needs, quotas
from planner.cost import stack_cost, token_cost, usd_per_replica
from planner.estimate import Estimate
from planner.gateway_load import cores_wanted


def memory_figures(plan: StackPlan) -> dict[str, Any]:
    """GPU memory by `model/version`, GiB per GPU; versions without GPU are left out."""
    return {
        _name(version): {
            "pool": version.spec.pool,
            "instance_type": version.node.name,
            "gpus": version.request.gpus,
            **_rounded(version.memory.model_dump(mode="json")),
        }
        for version in plan.versions
        if version.request is not None and version.memory is not None
    }


def time_figures(plan: StackPlan) -> dict[str, Any]:
    """Start, budgets and speed by `model/version`, in seconds and tokens per second; None = not known."""
    return {_name(version): _times(version) for version in plan.versions}


def capacity_figures(plan: StackPlan) -> dict[str, Any]:
    """GPUs and nodes needed by pool, cores of the gateway, and vCPUs by code of the quota."""
    needs = pool_needs(plan.pools, plan.workloads)
    return {
        "pools": {
            pool.name: {
                "instance_type": pool.node.name,
                "nodes_allowed": {"min": pool.min_nodes, "max": pool.max_nodes},
                "nodes_needed": {
                    "min": needs[pool.name].nodes_min,
                    "max": needs[pool.name].nodes_max,
                    "rolling": needs[pool.name].nodes_surge,
                },
                "gpus_needed": {"min": needs[pool.name].gpus_min, "max": needs[pool.name].gpus_max},
            }
            for pool in plan.pools
        },
        "gateway_cores": {
            "allowed": {"max": gateway_cores(plan.gateway).max_cores},
            "needed": {
                "min": _round(cores_wanted(plan.answered, most=False)),
                "max": _round(cores_wanted(plan.answered, most=True)),
            },
        },
        "quota_vcpus": {
            need.quota.code: {"name": need.quota.name, "min": need.vcpus_min, "max": need.vcpus_max}
            for need in quotas(plan.pools)
        },
    }


def cost_figures(plan: StackPlan) -> dict[str, Any]:
    """US dollars per hour of nodes at the fewest and the most, by pool and model, and per million tokens.

    Nodes only: for a cluster of ours the output `cluster` has what lies around them.
    """
    cost = stack_cost(plan.pools, plan.workloads)
    return {
        "usd_per_hour": {"min": _round(cost.usd_min), "max": _round(cost.usd_max)},
        "idle_usd_per_hour_min": _round(cost.idle_usd_min),
        "pools": {
            pool.pool: {
                "instance_type": pool.instance_type,
                "nodes": {"min": pool.nodes_min, "max": pool.nodes_max},
                "usd_per_node": _round(pool.usd_per_node),
                "price": pool.price,
                "usd_per_hour": {"min": _round(pool.usd_min), "max": _round(pool.usd_max)},
            }
            for pool in cost.pools
        },
        "models": {
            model.model: {
                "gpus": {"min": model.gpus_min, "max": model.gpus_max},
                "usd_per_hour": {"min": _round(model.usd_min), "max": _round(model.usd_max)},
            }
            for model in cost.models
        },
        "tokens": {_name(version): tokens for version in plan.versions if (tokens := _tokens(plan, version))},
    }


def _times(version: VersionPlan) -> dict[str, Any]:
    start, speed = version.start, version.speed
    manifests = version_manifests(version.spec)
    budget = start_budget(version.path, manifests, start) if start else None
    deployment = manifests["deployment"]["spec"]
    return {
        "start": {
            "parts": {part.name: _range(part.seconds) for part in start.parts},
            "container_seconds": _range(start.container_seconds),
            "new_node_seconds": _range(start.new_node_seconds),
        }
        if start
        else None,
        "startup_seconds": version.spec.startup_seconds,
        "progress_deadline_seconds": deployment["progressDeadlineSeconds"],
        "grace_seconds": deployment["template"]["spec"]["terminationGracePeriodSeconds"],
        "scale_down_seconds": budget.scale_down_seconds if budget else None,
        "answer": {
            "kind": speed.kind,
            "basis": speed.basis,
            "input_tokens": version.input_tokens,
            "output_tokens": version.output_tokens,
            "ttft_seconds": _range(speed.ttft_seconds),
            "tpot_seconds": _range(speed.tpot_seconds),
            "output_tokens_per_second": _range(speed.output_tokens_per_second),
        }
        if speed
        else None,
    }


def _tokens(plan: StackPlan, version: VersionPlan) -> dict[str, Any] | None:
    pool = next(pool for pool in plan.pools if pool.name == version.spec.pool)
    usd = usd_per_replica(pool, version.spec.resources.gpus)
    if version.speed is None or usd is None:
        return None
    found = token_cost(
        usd,
        version.speed,
        input_tokens=version.input_tokens,
        output_tokens=version.output_tokens,
        utilisation=presets()["estimates"]["utilisation"],
    )
    return {
        "kind": found.kind,
        "utilisation": found.utilisation,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "usd_per_million_output": _range(found.usd_per_million_output),
        "usd_per_million": _range(found.usd_per_million),
    }


def _name(version: VersionPlan) -> str:
    return f"{version.spec.model}/{version.spec.version}"


def _range(value: Estimate) -> dict[str, float]:
    return {"low": _short(value.low), "likely": _short(value.likely), "high": _short(value.high)}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _short(value: float) -> float:
    """Four significant digits: it is an estimate."""
    return float(f"{value:.4g}")
