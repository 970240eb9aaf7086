"""Open-loop load on loopback: streams that must come whole."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp

EXPECTED_END = "end\n"


async def during(
    url: str, work: Callable[[], Awaitable[None]], *, rate: float, stream_seconds: tuple[float, ...]
) -> Counter[str]:
    """Ask for streams at `rate` a second until `work` is done and all have ended; count the outcomes.

    Every request opens a connection of its own, as kube-proxy balances connections.
    """
    outcomes: Counter[str] = Counter()
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:

        async def one(seconds: float) -> None:
            try:
                async with session.get(f"{url}/stream", params={"seconds": str(seconds)}) as answer:
                    text = await answer.text()
                outcomes["good" if text.endswith(EXPECTED_END) else f"cut, status {answer.status}"] += 1
            except (aiohttp.ClientError, OSError, TimeoutError) as problem:
                outcomes[type(problem).__name__] += 1

        working = asyncio.ensure_future(work())
        requests = []
        for seconds in itertools.cycle(stream_seconds):
            requests.append(asyncio.create_task(one(seconds)))
            await asyncio.sleep(1 / rate)
            if working.done():
                break
        await asyncio.gather(*requests)
        await working
    return outcomes


def lost(outcomes: Counter[str]) -> int:
    """How many requests did not end well."""
    return sum(count for outcome, count in outcomes.items() if outcome != "good")
