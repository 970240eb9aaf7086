"""What each tenant has spent, in Redis, so that all gateways know it. Runs without this repository.

LiteLLM's own budgets of keys need a database: without one they charge what a request might cost, and forget
it after a minute (gateway study §3).
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

DAY_SECONDS = 86_400
AWAY_SECONDS = 5
"""For so long a Redis that failed is not asked again: a request must not wait for one that is away."""
ASK_SECONDS = 0.5
_ADD = """
local spent = redis.call('INCRBYFLOAT', KEYS[1], ARGV[1])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {spent, redis.call('TTL', KEYS[1])}
"""
"""In one step, so that no gateway sees a sum without an end. `EXPIRE ... NX` would need Redis 7."""


class Ledger:
    """Spend by tenant. A window begins with its first spend and lasts the budget's days."""

    def __init__(self, redis: Any, clock: Callable[[], float] = time.time) -> None:
        self._redis, self._clock = redis, clock
        self._known: dict[str, tuple[float, float]] = {}
        """USD and the end of the window as last seen: what counts while Redis is away."""
        self._away_until = 0.0

    async def spent(self, tenant: str) -> tuple[float, int]:
        """USD spent in the tenant's window, and seconds to its end."""
        found = await self._asked(self._read, tenant)
        if found is not None:
            self._known[tenant] = found
        usd, until = self._known.get(tenant, (0.0, 0.0))
        left = until - self._clock()
        return (usd, max(1, round(left))) if left > 0 else (0.0, 0)

    async def add(self, tenant: str, usd: float, days: int) -> None:
        """Count a spend."""
        found = await self._asked(self._write, tenant, usd, days)
        if found is None:
            before, left = await self.spent(tenant)
            end = self._clock() + (left or days * DAY_SECONDS)
            found = before + usd, end
        self._known[tenant] = found

    async def _read(self, tenant: str) -> tuple[float, float]:
        pipeline = self._redis.pipeline()
        pipeline.get(_name(tenant))
        pipeline.ttl(_name(tenant))
        usd, left = await pipeline.execute()
        return float(usd or 0), self._clock() + max(0, left)

    async def _write(self, tenant: str, usd: float, days: int) -> tuple[float, float]:
        seconds = days * DAY_SECONDS
        spent, left = await self._redis.eval(_ADD, 1, _name(tenant), repr(usd), seconds)
        return float(spent), self._clock() + left

    async def _asked(self, ask: Callable[..., Any], *about: Any) -> tuple[float, float] | None:
        """Return what Redis says, None while it is away: budgets must not stop serving."""
        if self._clock() < self._away_until:
            return None
        try:
            found: tuple[float, float] = await ask(*about)
        except (OSError, import_module("redis").RedisError):
            self._away_until = self._clock() + AWAY_SECONDS
            logging.getLogger(__name__).exception("Redis is away: this gateway counts budgets alone")
            return None
        return found


def _name(tenant: str) -> str:
    return f"llmserve:spent:{tenant}"


@cache
def ledger() -> Ledger:
    """The ledger of this process, by TENANT_BUDGETS_REDIS (an address) and REDIS_PASSWORD."""
    redis = import_module("redis.asyncio").from_url(
        os.environ["TENANT_BUDGETS_REDIS"],
        password=os.environ.get("REDIS_PASSWORD"),
        socket_timeout=ASK_SECONDS,
        socket_connect_timeout=ASK_SECONDS,
    )
    return Ledger(redis)


async def exhausted(tenant: str, budget: Mapping[str, Any] | None, book: Ledger | None = None) -> int | None:
    """Return the seconds until the tenant may ask again, None while its budget lasts or there is none."""
    if budget is None:
        return None
    usd, left = await (book or ledger()).spent(tenant)
    return left if usd >= budget["usd"] else None


def __getattr__(name: str) -> Any:
    """Make `spending`, which LiteLLM asks for by its name: its base class is LiteLLM's."""
    if name != "spending":
        raise AttributeError(name)
    base: Any = import_module("litellm.integrations.custom_logger").CustomLogger

    class Spending(base):  # type: ignore[misc]
        async def async_log_success_event(self, kwargs: Any, **_: Any) -> None:
            payload = kwargs.get("standard_logging_object") or {}
            metadata = payload.get("metadata") or {}
            budget = (metadata.get("user_api_key_auth_metadata") or {}).get("budget")
            if budget and payload.get("response_cost"):
                # by import, as gw_auth does: LiteLLM loads a second copy of this file by its path
                book = import_module("gw_budget").ledger()
                await book.add(metadata["user_api_key_alias"], payload["response_cost"], budget["days"])

    return Spending()
