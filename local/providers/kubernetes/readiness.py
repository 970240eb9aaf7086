"""Decides from an object's own words whether it is ready, and why not. Pure functions."""

from local.providers.protocol import Json


class HopelessError(Exception):
    """The object will not become ready by waiting."""


def missing(live: Json, slices: list[Json]) -> str:
    """Return what an object lacks to be ready, or "" when it is ready. Raises HopelessError.

    A Service is judged by its endpoint slices too. Kinds that are not named here are ready once they exist.
    """
    group, _, _ = live["apiVersion"].rpartition("/")
    status = live.get("status", {})
    match group, live["kind"]:
        case "apps", "Deployment" | "StatefulSet":
            if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
                return "the controller has not seen this version yet"
            return (
                _deployment(live, status)
                if live["kind"] == "Deployment"
                else _stateful_set(live["spec"], status)
            )
        case "batch", "Job":
            if told := _condition(live, "Failed", "True"):
                raise HopelessError(told)
            done = live["spec"].get("suspend") or _condition(live, "Complete", "True")
            return "" if done else f"{status.get('succeeded', 0)} completions so far"
        case "", "Service":
            return _service(live, slices)
        case "networking.k8s.io", "Ingress":
            return _address(live)
        case "", "Namespace":
            return (
                ""
                if status.get("phase") == "Active"
                else f"the namespace is {status.get('phase', 'not there yet')}"
            )
        case "apiextensions.k8s.io", "CustomResourceDefinition":
            if told := _condition(live, "NamesAccepted", "False"):
                raise HopelessError(told)
            return "" if _condition(live, "Established", "True") else "the kind is not established yet"
    return ""


def needs_endpoints(live: Json) -> bool:
    """Whether an object is a Service that is of use only with ready pods behind its address."""
    spec = live.get("spec", {})
    has_address = spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName"
    is_service = (live["apiVersion"], live["kind"]) == ("v1", "Service")
    return bool(is_service and has_address and spec.get("selector"))


def pod_words(pod: Json) -> list[str]:
    """Tell why a pod is not ready: the scheduler's words, containers that wait or have ended badly."""
    words, status = [_condition(pod, "PodScheduled", "False")], pod.get("status", {})
    for container in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        now, before = container.get("state", {}), container.get("lastState", {})
        stuck, ended = now.get("waiting", {}), now.get("terminated") or before.get("terminated") or {}
        facts = [stuck.get("reason"), stuck.get("message")]
        if ended.get("exitCode"):
            facts += [f"exited with {ended['exitCode']}", ended.get("message") or ended.get("reason")]
        if any(facts):
            words.append(": ".join(filter(None, [f"container {container['name']}", *facts])))
    return [word for word in words if word]


def _deployment(live: Json, status: Json) -> str:
    """Ready when every replica is updated and available, and none of the old ones is left."""
    if told := _condition(live, "Progressing", "False"):
        raise HopelessError(told)
    wanted, updated = live["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        refused = _condition(live, "ReplicaFailure", "True")
        return f"{updated} of {wanted} replicas are updated" + (f": {refused}" if refused else "")
    if old := status.get("replicas", 0) - updated:
        return f"{old} old replicas are still there"
    return f"{available} of {updated} replicas are available" if available < updated else ""


def _stateful_set(spec: Json, status: Json) -> str:
    """Ready when every replica is ready, and of the current revision where the update strategy wants that."""
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy", {})
    due = wanted - ((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    updated = due if strategy.get("type") == "OnDelete" else status.get("updatedReplicas", 0)
    if updated < due:
        return f"{updated} of {due} replicas are updated"
    return f"{ready} of {wanted} replicas are ready" if ready < wanted else ""


def _service(live: Json, slices: list[Json]) -> str:
    endpoints = [endpoint for entry in slices for endpoint in entry.get("endpoints") or []]
    if needs_endpoints(live) and not any(endpoint["conditions"].get("ready") for endpoint in endpoints):
        labels = ",".join(f"{key}={value}" for key, value in sorted(live["spec"]["selector"].items()))
        return f"no ready pod has the labels {labels}"
    return _address(live) if live["spec"].get("type") == "LoadBalancer" else ""


def _address(live: Json) -> str:
    given = live.get("status", {}).get("loadBalancer", {}).get("ingress")
    return "" if given else "no load balancer has given it an address"


def _condition(live: Json, sort: str, status: str) -> str:
    """Return what a condition of an object says, if it has the given status; else ""."""
    for entry in live.get("status", {}).get("conditions") or []:
        if (entry["type"], entry["status"]) == (sort, status):
            return str(entry.get("message") or entry.get("reason") or sort)
    return ""
