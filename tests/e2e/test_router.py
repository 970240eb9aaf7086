"""The real vLLM router with the arguments of the manifests, before simulated vLLM engines.

Proves who is asked, and that nothing is lost when a replica or a router goes. Does not prove how much faster
a real engine answers a prompt whose beginning it has cached: the simulators have no cache.
"""

import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from components.spec import BalancingPolicy
from tests.e2e.router_process import Router, running
from tests.e2e.test_sim_start import CHAT, Sim

REPLICAS = 3
SLOTS = "4"
"""Requests an engine works on at once; the others wait in its queue."""
SLOW = {"SIM_TPOT_SECONDS": "0.01"}


@pytest.fixture
def engines() -> Iterator[list[Sim]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Sim("vllm", "--max-num-seqs", SLOTS, env=SLOW)) for _ in range(REPLICAS)]


def first_token_seconds(url: str, tokens: int) -> float:
    """Time to the first chunk of a stream, which is then read to its end."""
    body = {**CHAT, "max_tokens": tokens, "stream": True}
    started = time.monotonic()
    with requests.post(f"{url}/v1/chat/completions", json=body, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        lines = (line for line in answer.iter_lines() if line)
        next(lines)
        seconds = time.monotonic() - started
        assert list(lines)[-1] == b"data: [DONE]"
    return seconds


def under_load(choose: Any) -> list[float]:
    """First-token times of the same load for each way to choose: some answers are ten times as long."""
    drawn = random.Random(7)
    asked = [200 if drawn.random() < 0.2 else 20 for _ in range(120)]
    with ThreadPoolExecutor(60) as pool:
        found = []
        for tokens in asked:
            found.append(pool.submit(first_token_seconds, choose(), tokens))
            time.sleep(0.07)
        return [one.result() for one in found]


def p90(times: list[float]) -> float:
    return statistics.quantiles(times, n=10)[-1]


def test_a_busy_replica_is_spared(engines: list[Sim], tmp_path: Path) -> None:
    """At about two thirds of what the engines can do; `service` picks as kube-proxy does."""
    drawn = random.Random(11)
    found = {"service": p90(under_load(lambda: drawn.choice(engines).url))}
    policies: tuple[BalancingPolicy, ...] = ("round_robin", "power_of_two")
    for policy in policies:
        with running(policy, tmp_path / policy, [engine.url for engine in engines]) as router:
            found[policy] = p90(under_load(lambda url=router.url: url))
    print("first token, p90 seconds:", {name: round(seconds, 2) for name, seconds in found.items()})
    assert found["power_of_two"] < 0.7 * found["service"]


def test_prompts_with_the_same_beginning_meet_the_same_replica(engines: list[Sim], tmp_path: Path) -> None:
    beginnings = [f"{topic} " * 200 for topic in ("law", "health", "sport", "music", "food", "travel")]

    def spread(policy: BalancingPolicy) -> int:
        """Replicas that each beginning met, over all beginnings: 6 at best, 18 at worst."""
        with running(policy, tmp_path / policy, [engine.url for engine in engines]) as router:
            met = 0
            for beginning in beginnings:
                before = [engine.metrics()[REQUESTS] for engine in engines]
                for number in range(9):
                    message = {"role": "user", "content": f"{beginning} question {number}"}
                    assert router.post({**CHAT, "messages": [message]}).status_code == 200
                after = [engine.metrics()[REQUESTS] for engine in engines]
                met += sum(a > b for a, b in zip(after, before, strict=True))
            return met

    found = {"round_robin": spread("round_robin"), "cache_aware": spread("cache_aware")}
    print("replicas met by 6 beginnings:", found)
    assert found["round_robin"] == 18
    assert found["cache_aware"] <= 8


REQUESTS = 'vllm:prompt_tokens_total{model_name="chat",engine="0"}'


@pytest.fixture
def router(engines: list[Sim], tmp_path: Path) -> Iterator[Router]:
    with running("cache_aware", tmp_path / "log", [engine.url for engine in engines]) as made:
        yield made


def test_a_replica_that_dies_costs_its_own_streams_and_no_later_request(
    router: Router, engines: list[Sim]
) -> None:
    os.kill(engines[0].process.pid, signal.SIGKILL)
    with ThreadPoolExecutor(10) as pool:
        statuses = Counter(pool.map(lambda _: router.post(CHAT).status_code, range(60)))
    print(router.log.read_text("utf-8")[-600:])
    assert statuses == {200: 60}


def test_a_router_that_is_ended_finishes_its_streams(router: Router) -> None:
    with ThreadPoolExecutor(8) as pool:
        running_streams = [pool.submit(first_token_seconds, router.url, 200) for _ in range(8)]
        time.sleep(0.7)
        router.process.terminate()
        assert all(one.result() < 10 for one in running_streams)
    assert router.process.wait(10) == 0


def test_without_a_replica_it_is_not_ready_and_says_503(router: Router, engines: list[Sim]) -> None:
    for engine in engines:
        engine.process.kill()
    until = time.monotonic() + 30
    while router.is_ready() and time.monotonic() < until:
        time.sleep(0.2)
    assert not router.is_ready()
    assert router.post(CHAT).status_code == 503
