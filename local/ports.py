"""Loopback ports of the laptop: chosen once, remembered, checked before use."""

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from local.errors import LocalError

LOOPBACK = "127.0.0.1"
NAMES = ("kube-apiserver", "etcd", "etcd-peer", "kube-controller-manager", "kube-scheduler", "kwok")
FIRST, LAST = 20000, 29999
"""Below the ports the kernel hands to clients (32768 up), and below 327xx, where kwokctl picks its own."""


def remembered(path: Path) -> dict[str, int] | None:
    """Return the ports kept in `path`, or None if there are none yet."""
    if not path.is_file():
        return None
    ports: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return ports


def remember(path: Path, ports: Mapping[str, int]) -> None:
    """Keep `ports` in `path`, so that a restart listens where it did before."""
    path.write_text(json.dumps(ports, indent=1), encoding="utf-8")


def choose(seed: str, names: Sequence[str] = NAMES) -> dict[str, int]:
    """Return a free port for each name; two checkouts, having other seeds, begin elsewhere."""
    free = (port for port in _candidates(seed) if is_free(port))
    ports = dict(zip(names, free, strict=False))
    if len(ports) < len(names):
        raise LocalError(
            f"no free port between {FIRST} and {LAST} on {LOOPBACK}; stop a program that listens"
        )
    return ports


def require_free(ports: Mapping[str, int], path: Path) -> None:
    """Raise LocalError, naming every taken port and who has it."""
    taken = [
        f"port {port} of {name} is taken by {owner(port)}"
        for name, port in ports.items()
        if not is_free(port)
    ]
    if taken:
        raise LocalError(
            f"{'; '.join(taken)}. Stop that program, or delete {path} to have other ports chosen."
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def owner(port: int) -> str:
    """Name the process that listens on `port`, as far as this user may know it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return "another program"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                break
    return "another program"


def _candidates(seed: str) -> Iterator[int]:
    size = LAST - FIRST + 1
    start = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % size
    return (FIRST + (start + step) % size for step in range(size))
