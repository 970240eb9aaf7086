"""What NetworkPolicies are made of: frame, peers, ports. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from components import naming

Rule = dict[str, Any]
PROMETHEUS = "prometheus"
"""Kubernetes name of the stack's own Prometheus."""


def pods(labels: Mapping[str, str]) -> Rule:
    """Peer: pods of the policy's own namespace with these labels; without any, all of them."""
    return {"podSelector": {"matchLabels": dict(labels)} if labels else {}}


def namespace(name: str) -> Rule:
    """Peer: every pod of a namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def tcp(*ports: str | int) -> list[Rule]:
    """TCP ports, by number or by the name a container gives them."""
    return [{"protocol": "TCP", "port": port} for port in ports]


NAMES: Rule = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
"""Egress rule for the name service."""
API_SERVER: Rule = {"ports": tcp(443, 6443)}
"""Egress rule for the API server, whose address nobody knows here: 443 on EKS, 6443 elsewhere."""
ANYWHERE: Rule = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}
"""Peer: every address but those of the node's metadata services."""
OWN_PROMETHEUS = pods(naming.selector(PROMETHEUS, PROMETHEUS))
"""Peer: the stack's own Prometheus, where there is one."""


def policy_spec(
    labels: Mapping[str, str], *, ingress: Sequence[Rule], egress: Sequence[Rule]
) -> dict[str, Any]:
    """Spec of a NetworkPolicy: these pods are reached, and reach, as the rules say and no other way."""
    return {
        **pods(labels),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": list(ingress),
        "egress": list(egress),
    }
