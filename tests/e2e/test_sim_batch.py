"""The pretended GPU: queue, timing, faults. Times are short, so bounds are wide."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from local.sim.batch import Batch, BrokenStreamError, InjectedError, OverloadedError, Request
from local.sim.engine import answer_words
from local.sim.options import SimOptions

FAST = SimOptions(ttft_seconds=0.05, tpot_seconds=0.01, seed=7)


class Ear:
    """Notes what a batch tells."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.ended: list[Request] = []

    def first_token(self, request: Request) -> None:
        assert request.first_token >= request.started >= request.arrived

    def next_token(self, request: Request, gap_seconds: float) -> None:
        assert request.last_token >= request.first_token
        self.gaps.append(gap_seconds)

    def finished(self, request: Request) -> None:
        self.ended.append(request)


def request(tokens: int = 5) -> Request:
    return Request(prompt_tokens=3, words=answer_words("test", tokens), finish="length")


async def take(batch: Batch, one: Request, most: int = 1000) -> int:
    """Read up to `most` tokens, then leave."""
    count = 0
    async with contextlib.aclosing(batch.tokens(one)) as tokens:
        async for _ in tokens:
            count += 1
            if count == most:
                break
    return count


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 10))


def test_tokens_come_when_planned() -> None:
    async def scene() -> None:
        one = request(11)
        assert await take(Batch(FAST, Ear(), max_running=1), one) == 11
        assert one.first_token - one.started == pytest.approx(0.05, abs=0.03)
        assert one.last_token - one.first_token == pytest.approx(0.10, abs=0.03)

    play(scene())


def test_requests_beyond_the_limit_wait_in_the_order_they_came() -> None:
    async def scene() -> None:
        ear = Ear()
        batch = Batch(FAST, ear, max_running=1)
        first, second, third = request(), request(), request()
        tasks = [asyncio.create_task(take(batch, one)) for one in (first, second, third)]
        await asyncio.sleep(0.02)
        assert (batch.running, batch.waiting) == (1, 2)
        await asyncio.gather(*tasks)
        assert ear.ended == [first, second, third]
        assert second.first_token - second.arrived > 0.05 + 0.09, "its TTFT holds the wait for the first"
        assert (batch.running, batch.waiting) == (0, 0)

    play(scene())


def test_tpot_grows_with_the_batch() -> None:
    async def scene() -> None:
        ear = Ear()
        batch = Batch(replace(FAST, tpot_slope=1.0), ear, max_running=3)
        await asyncio.gather(*(take(batch, request(6)) for _ in range(3)))
        assert sum(ear.gaps) / len(ear.gaps) == pytest.approx(0.03, abs=0.012)

    play(scene())


def test_a_client_that_leaves_frees_its_place() -> None:
    async def scene() -> None:
        ear = Ear()
        batch = Batch(FAST, ear, max_running=1)
        gone, next_one = request(1000), request()
        assert await take(batch, gone, most=2) == 2
        assert gone.finish_reason == "abort"
        assert await take(batch, next_one) == 5

    play(scene())


def test_a_client_that_leaves_the_queue_is_forgotten() -> None:
    async def scene() -> None:
        batch = Batch(FAST, Ear(), max_running=1)
        running = asyncio.create_task(take(batch, request()))
        queued = asyncio.create_task(take(batch, request()))
        await asyncio.sleep(0.01)
        queued.cancel()
        await asyncio.gather(queued, return_exceptions=True)
        assert batch.waiting == 0
        assert await running == 5

    play(scene())


def test_abort_ends_running_and_waiting_requests() -> None:
    async def scene() -> None:
        ear = Ear()
        batch = Batch(FAST, ear, max_running=1)
        tasks = [asyncio.create_task(take(batch, request(1000))) for _ in range(2)]
        await asyncio.sleep(0.12)
        batch.abort_all()
        counts = await asyncio.gather(*tasks)
        assert counts[0] > 0
        assert counts[1] == 0
        assert [one.finish_reason for one in ear.ended] == ["abort", "abort"]

    play(scene())


def test_drain_tells_whether_it_had_time_enough() -> None:
    async def scene() -> None:
        batch = Batch(FAST, Ear(), max_running=1)
        assert await batch.drain(0.01)
        task = asyncio.create_task(take(batch, request()))
        await asyncio.sleep(0)
        assert not await batch.drain(0.01)
        assert await batch.drain(1)
        assert await task == 5

    play(scene())


@pytest.mark.parametrize(("waiting", "unfinished"), [(0, None), (None, 1)])
def test_a_full_queue_refuses(waiting: int | None, unfinished: int | None) -> None:
    async def scene() -> None:
        batch = Batch(FAST, Ear(), max_running=1, max_waiting=waiting, max_unfinished=unfinished)
        batch.admit()
        task = asyncio.create_task(take(batch, request()))
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadedError):
            batch.admit()
        await task
        batch.admit()

    play(scene())


def test_errors_come_as_often_as_asked_and_a_seed_repeats_them() -> None:
    def pattern() -> list[bool]:
        batch = Batch(replace(FAST, error_rate=0.3), Ear(), max_running=1)
        struck = []
        for _ in range(1000):
            try:
                batch.admit()
                struck.append(False)
            except InjectedError:
                struck.append(True)
        return struck

    async def scene() -> None:
        first = pattern()
        assert 250 < sum(first) < 350
        assert pattern() == first

    play(scene())


def test_a_hang_has_no_token_until_the_client_leaves() -> None:
    async def scene() -> None:
        ear = Ear()
        batch = Batch(replace(FAST, hang_rate=1.0), ear, max_running=1)
        task = asyncio.create_task(take(batch, request()))
        await asyncio.sleep(0.3)
        assert (batch.running, ear.ended) == (1, [])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert [one.generated for one in ear.ended] == [0]

    play(scene())


def test_a_break_comes_after_the_first_token_and_before_the_end() -> None:
    async def scene() -> None:
        ear = Ear()
        batch = Batch(replace(FAST, break_rate=1.0, ttft_seconds=0), ear, max_running=20)
        for _ in range(20):
            with pytest.raises(BrokenStreamError):
                await take(batch, request())
        assert all(1 <= one.generated <= 4 and one.finish_reason == "error" for one in ear.ended)
        assert len({one.generated for one in ear.ended}) > 1

    play(scene())


def test_jitter_spreads_the_first_token() -> None:
    async def scene() -> None:
        batch = Batch(replace(FAST, ttft_jitter_seconds=0.05), Ear(), max_running=30)
        ones = [request(1) for _ in range(30)]
        await asyncio.gather(*(take(batch, one) for one in ones))
        waits = sorted(one.first_token - one.started for one in ones)
        assert waits[-1] - waits[0] > 0.04

    play(scene())


def test_kv_usage_follows_the_tokens_held() -> None:
    async def scene() -> None:
        batch = Batch(replace(FAST, kv_tokens=10), Ear(), max_running=1)
        async with contextlib.aclosing(batch.tokens(request())) as tokens:
            assert await anext(tokens) == "[simulated]"
            assert batch.kv_usage == 0.4, "3 of the prompt and 1 of the answer, of 10"
        assert batch.kv_usage == 0

    play(scene())


def test_a_slow_reader_does_not_shift_the_plan() -> None:
    async def scene() -> None:
        batch, one = Batch(FAST, Ear(), max_running=1), request(11)
        begun = time.monotonic()
        async with contextlib.aclosing(batch.tokens(one)) as tokens:
            async for _ in tokens:
                await asyncio.sleep(0.005)
        assert time.monotonic() - begun == pytest.approx(0.155, abs=0.04), "5 ms of each 10 are slack"

    play(scene())
