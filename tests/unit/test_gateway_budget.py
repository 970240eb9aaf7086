"""What a tenant has spent, with Redis and while it is away."""

import asyncio
import sys
import types
from typing import Any

import pytest

from components.gateway.gw_budget import AWAY_SECONDS, DAY_SECONDS, Ledger, exhausted


class RedisError(Exception):
    """Stands for the error of the package redis, which only LiteLLM's environment has."""


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", types.SimpleNamespace(RedisError=RedisError))  # type: ignore[arg-type]


class Clock:
    """A clock that a test moves."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """The part of Redis that the ledger uses: sums with an end, by one clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.away, self.asked = clock, False, 0
        self.sums: dict[str, tuple[float, float]] = {}
        self._reads: list[str] = []

    def pipeline(self) -> "Store":
        self._reads = []
        return self

    def get(self, name: str) -> None:
        self._reads.append(name)

    def ttl(self, name: str) -> None:
        assert self._reads == [name]

    async def execute(self) -> list[Any]:
        self._ask()
        usd, until = self._current(self._reads[0])
        return [str(usd) if usd else None, round(until - self.clock.now) if usd else -2]

    async def eval(self, script: str, keys: int, name: str, usd: str, seconds: int) -> list[Any]:
        assert "INCRBYFLOAT" in script
        assert keys == 1
        self._ask()
        before, until = self._current(name)
        self.sums[name] = before + float(usd), until if before else self.clock.now + seconds
        return [str(self.sums[name][0]), round(self.sums[name][1] - self.clock.now)]

    def _current(self, name: str) -> tuple[float, float]:
        usd, until = self.sums.get(name, (0.0, 0.0))
        return (usd, until) if until > self.clock.now else (0.0, 0.0)

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise RedisError("away")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


@pytest.fixture
def book(store: Store, clock: Clock) -> Ledger:
    return Ledger(store, clock)


BUDGET = {"usd": 1.0, "days": 2}


def left(book: Ledger, budget: dict[str, float] | None = BUDGET) -> int | None:
    return asyncio.run(exhausted("search", budget, book))


def test_a_tenant_without_a_budget_may_always_ask(book: Ledger, store: Store) -> None:
    assert left(book, None) is None
    assert store.asked == 0


def test_a_budget_lasts_until_all_of_it_is_spent(book: Ledger) -> None:
    assert left(book) is None
    asyncio.run(book.add("search", 0.999, 2))
    assert left(book) is None
    asyncio.run(book.add("search", 0.001, 2))
    assert left(book) == 2 * DAY_SECONDS


def test_the_days_begin_with_the_first_spend_and_then_all_is_free_again(book: Ledger, clock: Clock) -> None:
    asyncio.run(book.add("search", 0.6, 2))
    clock.now += DAY_SECONDS
    asyncio.run(book.add("search", 0.6, 2))
    assert left(book) == DAY_SECONDS
    clock.now += DAY_SECONDS + 1
    assert left(book) is None


def test_gateways_know_of_each_others_spend(book: Ledger, store: Store, clock: Clock) -> None:
    asyncio.run(book.add("search", 1.0, 2))
    assert left(Ledger(store, clock)) == 2 * DAY_SECONDS


def test_tenants_are_counted_apart(book: Ledger) -> None:
    asyncio.run(book.add("batch", 5.0, 2))
    assert left(book) is None


def test_while_redis_is_away_a_gateway_counts_on_alone(book: Ledger, store: Store) -> None:
    asyncio.run(book.add("search", 0.6, 2))
    store.away = True
    assert left(book) is None
    asyncio.run(book.add("search", 0.5, 2))
    assert left(book) == 2 * DAY_SECONDS


def test_a_redis_that_is_away_is_not_asked_for_each_request(book: Ledger, store: Store, clock: Clock) -> None:
    store.away = True
    for _ in range(5):
        assert left(book) is None
    assert store.asked == 1
    store.away = False
    clock.now += AWAY_SECONDS
    assert left(book) is None
    assert store.asked == 2
