"""The pretended GPU: a queue, a batch of running requests, and tokens that come in time."""

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from local.sim.options import SimOptions

CRASH_STATUS = 139
"""What a shell says of a process that a segmentation fault has ended."""
FinishReason = Literal["", "stop", "length", "tool_calls", "abort", "error"]


@dataclass(eq=False, kw_only=True)
class Request:
    """One generation. Times are `time.monotonic()` seconds; 0 = has not happened."""

    prompt_tokens: int
    words: Sequence[str]
    """The answer, one token each."""
    finish: FinishReason
    """How it ends if nothing goes wrong."""
    streamed: bool = False
    arrived: float = field(default_factory=time.monotonic)
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    finished: float = 0.0
    generated: int = 0
    finish_reason: FinishReason = ""
    """Set with the last token, or when the request ends early."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to start a waiting request, and to end a running one early."""


class Listener(Protocol):
    """Who keeps the metrics."""

    def first_token(self, request: Request) -> None:
        """The first token is out."""

    def next_token(self, request: Request, gap_seconds: float) -> None:
        """A later token is out."""

    def finished(self, request: Request) -> None:
        """The request is over, whatever its end."""


class OverloadedError(Exception):
    """The queue is full."""


class InjectedError(Exception):
    """SIM_ERROR_RATE struck: answer with SIM_ERROR_STATUS."""


class BrokenStreamError(Exception):
    """SIM_BREAK_RATE struck: cut the connection."""


class Batch:
    """Runs up to `max_running` requests at once, in the order they came.

    `max_unfinished` bounds running and waiting requests together, `max_waiting` the waiting ones alone.
    """

    def __init__(
        self,
        options: SimOptions,
        listener: Listener,
        *,
        max_running: int,
        max_waiting: int | None = None,
        max_unfinished: int | None = None,
    ) -> None:
        self._options, self._listener = options, listener
        self._max_running, self._max_waiting, self._max_unfinished = max_running, max_waiting, max_unfinished
        self._random = random.Random(options.seed)  # noqa: S311 - faults, not secrets
        self._born = time.monotonic()
        self._queue: deque[Request] = deque()
        self._running: set[Request] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.rejecting = False
        """Requests that come now end at once, as `abort`."""

    @property
    def running(self) -> int:
        """Requests that get tokens."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def kv_usage(self) -> float:
        """Share of the pretended KV cache in use, 0-1."""
        held = sum(request.prompt_tokens + request.generated for request in self._running)
        return min(1.0, held / self._options.kv_tokens)

    def admit(self) -> None:
        """Say whether a new request may come in. Raises OverloadedError or InjectedError."""
        if 0 < self._options.crash_seconds < time.monotonic() - self._born:
            os._exit(CRASH_STATUS)  # as a fault in native code: nobody gets an answer any more
        waiting_full = self._max_waiting is not None and (
            self.running >= self._max_running and self.waiting >= self._max_waiting
        )
        unfinished = self.running + self.waiting
        if waiting_full or (self._max_unfinished is not None and unfinished >= self._max_unfinished):
            raise OverloadedError
        if self._random.random() < self._options.error_rate:
            raise InjectedError

    async def tokens(self, request: Request) -> AsyncGenerator[str, None]:
        """Yield the words of a request in time; its `finish_reason` tells how it ended.

        Close it (`contextlib.aclosing`) so that the place is free again. Raises BrokenStreamError.
        """
        if self.rejecting:
            request.finish_reason = "abort"
            self._leave(request)
            return
        self._queue.append(request)
        self._idle.clear()
        self._fill()
        try:
            await request.wake.wait()
            if request.finish_reason:
                return
            request.wake.clear()
            due = request.started + await self._prefill(request)
            breaks_at, jitter = self._break_point(request), self._options.tpot_jitter_seconds
            own_seconds = self._random.uniform(-jitter, jitter)
            for number, word in enumerate(request.words, start=1):
                if number > 1:
                    due += self._tpot_seconds(own_seconds)
                    await _until(due, request)
                if request.finish_reason:
                    return
                if number == breaks_at:
                    request.finish_reason = "error"
                    raise BrokenStreamError
                self._count(request, number)
                yield word
        finally:
            self._leave(request)

    async def _prefill(self, request: Request) -> float:
        """Wait for the first token; the seconds it took by plan."""
        jitter = self._options.ttft_jitter_seconds
        seconds = max(0.0, self._options.ttft_seconds + self._random.uniform(-jitter, jitter))
        seconds *= self._slowing()
        hangs = self._random.random() < self._options.hang_rate
        await (request.wake.wait() if hangs else _until(request.started + seconds, request))
        if not request.words and not request.finish_reason:
            request.finish_reason = request.finish
        return seconds

    def _tpot_seconds(self, own_seconds: float) -> float:
        alone = max(0.0, self._options.tpot_seconds + own_seconds)
        return alone * (1 + self._options.tpot_slope * (self.running - 1)) * self._slowing()

    def _slowing(self) -> float:
        return 1 + self._options.slowing_per_minute * (time.monotonic() - self._born) / 60

    def _break_point(self, request: Request) -> int:
        """Number of the token instead of which the connection breaks; 0 = none."""
        if self._random.random() >= self._options.break_rate:
            return 0
        return self._random.randint(min(2, len(request.words)), max(1, len(request.words)))

    def _count(self, request: Request, number: int) -> None:
        now = time.monotonic()
        request.generated = number
        if number == 1:
            request.first_token = now
            self._listener.first_token(request)
        else:
            self._listener.next_token(request, now - request.last_token)
        request.last_token = now
        if number == len(request.words):
            request.finish_reason = request.finish

    def _fill(self) -> None:
        while self._queue and self.running < self._max_running:
            request = self._queue.popleft()
            self._running.add(request)
            request.started = time.monotonic()
            request.wake.set()

    def _leave(self, request: Request) -> None:
        request.finished = time.monotonic()
        request.finish_reason = request.finish_reason or "abort"  # the client has left
        self._running.discard(request)
        if request in self._queue:
            self._queue.remove(request)
        self._listener.finished(request)
        self._fill()
        if not self._running:
            self._idle.set()

    def abort_all(self) -> None:
        """End every request now, as `abort`."""
        for request in [*self._running, *self._queue]:
            request.finish_reason = "abort"
            request.wake.set()

    async def drain(self, timeout_seconds: float | None = None) -> bool:
        """Wait until no request is left; False = the time was too short. None = no limit."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True


async def _until(due: float, request: Request) -> None:
    """Sleep until `due`, or until the request is woken to end early."""
    if request.wake.is_set():
        return
    delay = due - time.monotonic()
    if delay <= 0:
        await asyncio.sleep(0)
        return
    timer = asyncio.get_running_loop().call_later(delay, request.wake.set)
    try:
        await request.wake.wait()
    finally:
        timer.cancel()
    if not request.finish_reason:
        request.wake.clear()
