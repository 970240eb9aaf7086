"""Part of `make bench`: what the gateway adds to an answer's time, on one core of its own.

Real LiteLLM with the rendered configuration, pinned to one core; the backend and the load are on the other.
As in the gateway study (section 2), whose "prod + GC" row the figures are held against.
"""

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.table import Table

from components.gateway.model import Backend, Route
from local import ports
from local.load_report import percentile
from tests.e2e.gateway_process import Gateway
from tests.unit import gateway_examples

ANSWER_SECONDS = 1.0
TTFT_SECONDS, TPOT_SECONDS, TOKENS = 0.2, 0.02, 50
SECONDS = 30
WHOLE_RATES, STREAM_RATES = (32,), (12,)
STUDY = {"whole": (13, 35), "streamed": (19, 55)}
"""Added milliseconds, p50 and p99: gateway study section 2, 32 whole answers a second (prod; 64 + GC: 25, 89)
and 12 streams a second (prod + GC), 2026-11-20."""
SEED = 7


async def _answer(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    head = {"id": "x", "created": 1, "model": "m"}
    if not body.get("stream"):
        await asyncio.sleep(ANSWER_SECONDS)
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(TTFT_SECONDS)
    piece = (
        '{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    )
    for _ in range(TOKENS):
        await response.write(f'data: {piece}{{"content":"x "}}}}]}}\n\n'.encode())
        await asyncio.sleep(TPOT_SECONDS)
    await response.write(f'data: {piece}{{}},"finish_reason":"stop"}}]}}\n\n'.encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def _one(session: aiohttp.ClientSession, url: str, key: str, *, streamed: bool, model: str) -> float:
    """Seconds to the whole answer, or of a stream to the first token."""
    body = {"model": model, "stream": streamed, "messages": [{"role": "user", "content": "hello"}]}
    started, first = time.monotonic(), 0.0
    async with session.post(url, json=body, headers={"Authorization": f"Bearer {key}"}) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if not first and b"content" in line:
                first = time.monotonic() - started
    return first if streamed else time.monotonic() - started


async def _load(url: str, key: str, rate: float, *, streamed: bool, model: str) -> list[float]:
    """Times of requests that come at random moments (Poisson), `rate` a second."""
    moments = random.Random(SEED)
    tasks = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        started, due = time.monotonic(), 0.0
        while due < SECONDS:
            await asyncio.sleep(max(0.0, started + due - time.monotonic()))
            work = _one(session, f"{url}/v1/chat/completions", key, streamed=streamed, model=model)
            tasks.append(asyncio.create_task(work))
            due += moments.expovariate(rate)
        return list(await asyncio.gather(*tasks))


async def _measure(console: Console, folder: Path) -> Table:
    port = next(port for port in range(24000, 25000) if ports.is_free(port))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    direct = f"http://127.0.0.1:{port}"
    backend = Backend(id="m-1", kind="vllm", base_url=direct, model="m", weight=100)
    tenant = gateway_examples.tenant("search", models=("m",), requests_per_minute=1_000_000)
    model = gateway_examples.model(
        routes=(Route(name="m", backends=(backend,)),), tenants=(tenant,), redis=None
    )
    gateway = Gateway(folder, model, {"search": "sk-search-of-this-bench-32-characters"})
    gateway.core = 0
    key = gateway.keys["search"]
    table = Table("what", "requests", "added p50 ms", "added p99 ms", "study", title="what the gateway adds")
    context = gateway.running()
    await asyncio.to_thread(context.__enter__)
    try:
        for name, rates in (("whole", WHOLE_RATES), ("streamed", STREAM_RATES)):
            for rate in rates:
                console.print(f"measuring {rate} {name} answers a second for 2 x {SECONDS} s ...")
                streamed = name == "streamed"
                await _load(gateway.url, key, 2, streamed=streamed, model="m")  # warm
                base = await _load(direct, key, rate, streamed=streamed, model="m")
                through = await _load(gateway.url, key, rate, streamed=streamed, model="m")
                added = [
                    1000 * ((percentile(through, p) or 0) - (percentile(base, p) or 0)) for p in (50, 99)
                ]
                study = "{} / {}".format(*STUDY[name])
                cells = (f"{each:.0f}" for each in added)
                table.add_row(f"{rate} {name} a second", str(len(through)), *cells, study)
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)
        await runner.cleanup()
    return table


def main() -> None:
    """Print the table."""
    console = Console()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores - {0} or cores)
    with tempfile.TemporaryDirectory() as folder:
        console.print(asyncio.run(_measure(console, Path(folder))))
    console.print("added: over the same load without the gateway. One core holds the gateway alone.")


if __name__ == "__main__":
    main()
