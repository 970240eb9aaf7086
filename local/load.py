"""A small steady load on the gateway: what is lost, and how quick each version is."""

import asyncio
import itertools
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from local import first_chat
from local.errors import LocalError
from local.layout import Layout
from local.load_report import Answer, Ask, Outcome, lost, lost_by_pod, summary

MAX_RATE = 50
MAX_SECONDS = 600
SILENCE_SECONDS = 60
"""A request that gets no byte for so long is lost: nobody may hang."""
VERSION_HEADER = "x-litellm-model-id"
"""Response header by which LiteLLM names the backend that answered."""
QUESTION = "Say something."


SHORT_AND_STREAMED = (Ask(False, 4), Ask(True, 32))


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to ask, as whom."""

    url: str
    key: str = field(repr=False)
    model: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to ask. Requests start at `rate` a second however long the answers take (open loop)."""

    rate: float = 5
    seconds: float = 30
    mix: tuple[Ask, ...] = SHORT_AND_STREAMED
    """Asked in turn."""
    reuse_connections: bool = False
    """Kube-proxy balances connections: with one per request the load reaches every gateway pod."""

    @property
    def connections(self) -> str:
        """How connections are used, in words."""
        return "connections are reused" if self.reuse_connections else "a connection of its own per request"


class Load:
    """One run of a plan."""

    def __init__(self, target: Target, plan: Plan) -> None:
        if not 0 < plan.rate <= MAX_RATE:
            raise LocalError(f"rate: {plan.rate:g} requests a second; give more than 0, at most {MAX_RATE}")
        if not 0 < plan.seconds <= MAX_SECONDS:
            raise LocalError(f"seconds: {plan.seconds:g}; give more than 0, at most {MAX_SECONDS}")
        self.target, self.plan = target, plan
        self.outcomes: list[Outcome] = []
        self.unfinished = 0
        """Requests given up by `abandon`; they are not counted as lost."""
        self.abandoned = False
        self.seconds = 0.0
        """How long requests were sent."""
        self._stopped = asyncio.Event()
        self._open: set[asyncio.Task[Outcome]] = set()

    async def run(self) -> None:
        """Send until the plan's time is over or `stop`, then wait for the open requests."""
        limits = aiohttp.ClientTimeout(total=None, connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS)
        connector = aiohttp.TCPConnector(force_close=not self.plan.reuse_connections, limit=0)
        started = time.monotonic()
        async with aiohttp.ClientSession(connector=connector, timeout=limits) as session:
            for number, ask in enumerate(itertools.cycle(self.plan.mix)):
                due = number / self.plan.rate
                if due >= self.plan.seconds or await self._stopped_by(started + due):
                    break
                task = asyncio.create_task(_one(session, self.target, ask))
                self._open.add(task)
                task.add_done_callback(self._ended)
            self.seconds = time.monotonic() - started
            await asyncio.gather(*self._open, return_exceptions=True)

    def stop(self) -> None:
        """Send no more; `run` ends once the open requests have."""
        self._stopped.set()

    def abandon(self) -> None:
        """Send no more and give the open requests up; `run` ends at once."""
        self.abandoned = True
        self.stop()
        for task in self._open:
            task.cancel()

    def report(self) -> dict[str, Any]:
        """Return what was measured; what `llmserve local load --json` prints."""
        return {
            "model": self.target.model,
            "rate": self.plan.rate,
            "seconds": self.seconds,
            "connections": self.plan.connections,
            "requests": len(self.outcomes),
            "lost": lost(self.outcomes),
            "lost_by_pod": lost_by_pod(self.outcomes),
            "unfinished": self.unfinished,
            "versions": summary(self.outcomes),
        }

    async def _stopped_by(self, due: float) -> bool:
        """Wait until `due`, which may be past; return whether `stop` was called by then."""
        try:
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._stopped.wait()
        except TimeoutError:
            return self._stopped.is_set()
        return True

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._open.discard(task)
        if task.cancelled():
            self.unfinished += 1
        else:
            self.outcomes.append(task.result())


def target(
    layout: Layout,
    url: str | None,
    settings: Mapping[str, Any],
    *,
    tenant: str | None = None,
    model: str | None = None,
) -> Target:
    """Return the gateway at `url` as a tenant of `settings` sees it, a model of theirs if none is named.

    Raises LocalError where there is no gateway, no such tenant, or nothing it may ask.
    """
    tenants = settings["tenants"]
    if url is None:
        raise LocalError("no gateway runs here; `make up` starts it")
    if tenant is not None and tenant not in tenants:
        raise LocalError(f"tenant: there is no {tenant!r}; the stack file has: {', '.join(sorted(tenants))}")
    if model is not None and model not in settings["models"]:
        raise LocalError(f"model: there is no {model!r}; the stack file has: {', '.join(settings['models'])}")
    chosen = {name: row for name, row in tenants.items() if tenant in (None, name)}
    models = {name: row for name, row in settings["models"].items() if model in (None, name)}
    client = first_chat.choose_client(layout, {"models": models, "tenants": chosen})
    if client is None:
        raise LocalError("no such tenant may ask such a model; see `tenants` in the stack file")
    return Target(url=url, key=client.key_file.read_text(encoding="utf-8").strip(), model=client.model)


def run(wanted: Target, plan: Plan) -> Load:
    """Run a plan to its end, or until Ctrl-C; return it with what it measured."""

    async def work() -> Load:
        load = Load(wanted, plan)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, load.abandon)
        await load.run()
        return load

    return asyncio.run(work())


async def _one(session: aiohttp.ClientSession, target: Target, ask: Ask) -> Outcome:
    """Send one request; every end but a whole answer is a problem, never an exception."""
    answer, started = Answer(ask), time.monotonic()
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": ask.tokens,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    if ask.streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {"Authorization": f"Bearer {target.key}"}
    try:
        url = f"{target.url}/v1/chat/completions"
        async with session.post(url, json=body, headers=headers) as response:
            answer.version = response.headers.get(VERSION_HEADER)
            if response.status != HTTPStatus.OK:
                answer.problem = f"status {response.status}"
            elif ask.streamed:
                async for line in response.content:
                    answer.line(line, time.monotonic() - started)
            else:
                answer.whole(await response.json())
    except TimeoutError:
        answer.problem = f"silent for {SILENCE_SECONDS} s"
    except aiohttp.ClientConnectorError:
        answer.problem = "connection refused"
    except (aiohttp.ClientError, OSError) as error:
        answer.problem = f"cut ({type(error).__name__})"
    except (ValueError, LookupError, TypeError) as error:
        answer.problem = f"not an answer of OpenAI's form ({type(error).__name__})"
    return answer.outcome(time.monotonic() - started)
