"""Ports of the control plane: free, remembered, and named when taken."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import ports
from local.errors import LocalError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def test_every_name_gets_its_own_free_port_outside_the_ranges_others_use() -> None:
    chosen = ports.choose("a checkout")

    assert tuple(chosen) == ports.NAMES
    assert len(set(chosen.values())) == len(ports.NAMES)
    assert all(20000 <= port <= 29999 and ports.is_free(port) for port in chosen.values())


def test_two_checkouts_begin_at_other_ports() -> None:
    assert set(ports.choose("one").values()).isdisjoint(ports.choose("another").values())


def test_chosen_ports_are_remembered(tmp_path: Path) -> None:
    kept = tmp_path / "ports.json"
    assert ports.remembered(kept) is None

    ports.remember(kept, {"etcd": 20001})

    assert ports.remembered(kept) == {"etcd": 20001}


def test_a_taken_port_is_passed_over_when_choosing(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr(ports, "FIRST", taken)
    monkeypatch.setattr(ports, "LAST", taken + 40)

    assert taken not in ports.choose("any").values()


def test_a_taken_port_is_named_with_its_owner_and_what_to_do(taken: int, tmp_path: Path) -> None:
    with pytest.raises(LocalError) as failure:
        ports.require_free({"etcd": taken}, tmp_path / "ports.json")

    assert f"port {taken} of etcd is taken by python" in str(failure.value)
    assert f"(pid {os.getpid()})" in str(failure.value)
    assert "delete" in str(failure.value)


def test_no_free_port_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: False)

    with pytest.raises(LocalError, match="no free port between 20000 and 29999"):
        ports.choose("any")
