"""Where pods and Services are found on loopback, and cluster names in text made so. Pure.

Pods report 198.18.0.0/15 (the API server refuses loopback) and bind 127.18.0.0/15. A Service has one address
in 127.64.0.0/10, computed from its name: a config may name a Service that does not exist yet, as with DNS.
Ports below 1024 need root, so a Service's port 80 is 10080 here; only the port's number changes.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.node.api import Json

LOCALHOST = "127.0.0.1"
API_SERVER = ("default", "kubernetes")
"""The Service that leads to the API server; its endpoint is no pod."""
POD_PREFIXES = ("198.18.", "198.19.")
FIRST_FREE_PORT, PORT_SHIFT = 1024, 10000
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ADDRESS = re.compile(
    r"(?:(?P<scheme>https?|wss?|grpcs?|tcp|rediss?|postgres(?:ql)?)://(?P<user>[^@/\s\"']*@)?|(?<![\w./@:\\-]))"
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>\d{{1,5}}))?(?![\w-])"
)
_HOST_KEY = re.compile(rf"(?im)(host[\"']?\s*[:=]\s*[\"']?)({_LABEL})(?=[\"'\s,]|$)")
_SELF = re.compile(r"(?<![\w.-])(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::\])(?![\w.-])")

Name = tuple[str, str]
"""Namespace and name of a Service."""
Route = tuple[str, int]
"""Address and port."""


def pod_ip(number: int) -> str:
    """The address a pod reports, from a number that may grow for ever."""
    number %= 2**17 - 2
    number += 1
    return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def pod_address(ip: str) -> str:
    """Where the pod that reports `ip` really listens."""
    return f"127.{ip.partition('.')[2]}"


def service_address(seed: str, name: Name) -> str:
    """Loopback address of a Service; `seed` keeps two checkouts on one machine apart."""
    digest = hashlib.sha256("/".join((seed, *name)).encode()).digest()
    return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


def local_port(port: int) -> int:
    """The port that stands for a Service's port."""
    return port if port >= FIRST_FREE_PORT else port + PORT_SHIFT


def routes(
    seed: str,
    services: Mapping[Name, Json],
    slices: Sequence[Json],
    published: Mapping[int, Name],
    api_server: Route,
) -> dict[Route, list[Route]]:
    """Where to listen, and the endpoints that a connection may go to: the ready ones.

    As kube-proxy does, endpoints that end but still serve are used when none is ready. `published` are ports
    of localhost that lead to a Service's first port.
    """
    table: dict[Route, list[Route]] = {}
    for name, service in services.items():
        own = [piece for piece in slices if slice_of(piece) == name]
        ports = [p for p in service["spec"].get("ports", []) if p.get("protocol", "TCP") == "TCP"]
        for port in ports:
            found = [api_server] if name == API_SERVER else _endpoints(own, port.get("name", ""))
            table[service_address(seed, name), local_port(port["port"])] = found
        for number, wanted in published.items():
            if wanted == name and ports:
                table[LOCALHOST, number] = table[service_address(seed, name), local_port(ports[0]["port"])]
    return table


def slice_of(piece: Json) -> Name:
    """The Service an EndpointSlice belongs to."""
    labels = piece["metadata"].get("labels", {})
    return piece["metadata"]["namespace"], labels.get("kubernetes.io/service-name", "")


def _endpoints(slices: Sequence[Json], port_name: str) -> list[Route]:
    ready: list[Route] = []
    ending: list[Route] = []
    for piece in slices:
        numbers = [p["port"] for p in piece.get("ports") or [] if (p.get("name") or "") == port_name]
        for endpoint in piece.get("endpoints") or []:
            conditions = endpoint.get("conditions", {})
            # Nothing but our own pods: a foreign address would leave the machine.
            targets = [
                (pod_address(ip), port)
                for ip in endpoint["addresses"]
                if ip.startswith(POD_PREFIXES)
                for port in numbers
            ]
            if conditions.get("ready", True):
                ready += targets
            elif conditions.get("serving") and conditions.get("terminating"):
                ending += targets
    return ready or ending


@dataclass(frozen=True)
class Rewriter:
    """Turns text written for a cluster into text that means the same on loopback."""

    seed: str
    namespace: str
    address: str
    """The pod's own."""
    namespaces: frozenset[str]
    services: Mapping[Name, frozenset[int]]
    """Ports of the Services there are now."""
    mounts: tuple[tuple[str, str], ...] = ()
    """Mount path in the container and where it really is."""

    def text(self, text: str) -> str:
        """Replace names of Services, this pod's own address and mount paths."""
        text = _HOST_KEY.sub(self._host_value, _ADDRESS.sub(self._named, text))
        return self.paths(_SELF.sub(self.address, text))

    def paths(self, text: str) -> str:
        """Replace mount paths only, the longest that fits."""
        if not self.mounts:
            return text
        there = dict(self.mounts)
        either = "|".join(re.escape(path) for path in sorted(there, key=len, reverse=True))
        return re.sub(rf"(?<![\w./-])(?:{either})(?![\w.-])", lambda found: there[found[0]], text)

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """Rewrite values; beside X_HOST that names a Service, a privileged X_PORT is changed too."""
        made: dict[str, str] = {}
        for key, value in values.items():
            text = self.text(f"{key}={value}")
            made[key] = text[len(key) + 1 :] if text.startswith(f"{key}=") else self.text(value)
        for key, value in values.items():
            port = f"{key[:-4]}PORT"
            if key.endswith("HOST") and made[key] != value and values.get(port, "").isdecimal():
                made[port] = str(local_port(int(values[port])) if made[key] != self.address else values[port])
        return made

    def _named(self, found: re.Match[str]) -> str:
        scheme, host, port = found["scheme"], found["host"], found["port"]
        follows = found.string[found.end() : found.end() + 1]
        name = self._service(host, int(port or 0), certain=bool(scheme))
        if name is None or (not scheme and follows and follows in "/.("):
            return found[0]
        number = int(port) if port else _DEFAULT_PORTS.get(scheme or "")
        before = found[0][: found.start("host") - found.start()]
        return f"{before}{service_address(self.seed, name)}{f':{local_port(number)}' if number else ''}"

    def _host_value(self, found: re.Match[str]) -> str:
        name = (self.namespace, found[2])
        return found[1] + service_address(self.seed, name) if name in self.services else found[0]

    def _service(self, host: str, port: int, *, certain: bool) -> Name | None:
        """The Service a host name means. Without a scheme a short name must be one that exists."""
        labels = host.removesuffix(".cluster.local").split(".")
        match labels:
            case [name, namespace, "svc"]:
                return namespace, name
            case [name, namespace] if certain and namespace in self.namespaces:
                return namespace, name
            case [name, namespace] if (namespace, name) in self.services:
                return namespace, name
            case [name] if certain and name != "localhost" and not name.isdecimal():
                return self.namespace, name
            case [name] if port in self.services.get((self.namespace, name), ()):
                return self.namespace, name
        return None
