"""Limits over two gateways with a real Redis: exact to one request, and without it serving goes on."""

import concurrent.futures
import contextlib
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from rich.console import Console

from components.gateway.model import Budget, Redis, Route, TokenPrice
from local import ports, redis_program
from local.layout import find
from tests.e2e.gateway_process import TOKENS, Gateway, Upstreams
from tests.stack_files import ROOT
from tests.unit import gateway_examples

PASSWORD = "of-this-test"
RPM, TPM_REQUESTS, PARALLEL, BUDGET_USD = 30, 4, 3, 5
TOKENS_A_MINUTE = TPM_REQUESTS * (3 + TOKENS) + 7
"""Not enough for one request more: LiteLLM reckons with its prompt before it lets it in."""


class Pair:
    """Two gateways that share a Redis."""

    def __init__(self, gateways: list[Gateway], redis: "subprocess.Popen[bytes]", up: Upstreams) -> None:
        self.gateways, self.redis, self.upstreams = gateways, redis, up

    def ask(self, tenant: str, count: int, together: int = 8) -> Counter[int]:
        """Statuses of `count` requests, in turn over both gateways, some at once."""
        with concurrent.futures.ThreadPoolExecutor(together) as pool:
            sent = [pool.submit(self.gateways[n % 2].chat, "alone", tenant) for n in range(count)]
            return Counter(one.result().status_code for one in sent)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    layout = find(ROOT)
    assert layout
    redis_program.install(layout, Console())
    port = next(port for port in range(23000, 24000) if ports.is_free(port))
    folder = tmp_path_factory.mktemp("redis")
    command = [str(layout.redis / "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--requirepass", PASSWORD, "--save", "", "--dir", str(folder)]
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with Upstreams() as up, contextlib.ExitStack() as stack:
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        price = TokenPrice(input_usd=0, output_usd=1e6 / TOKENS)  # an answer costs 1 USD
        routes = (Route(name="alone", backends=(up.backend("alone-1", price=price),)),)
        limits = {
            "requests": {"requests_per_minute": RPM},
            "tokens": {"requests_per_minute": None, "tokens_per_minute": TOKENS_A_MINUTE},
            "parallel": {"requests_per_minute": None, "parallel_requests": PARALLEL},
            "free": {"requests_per_minute": None},
            "streamer": {"requests_per_minute": None, "budget": Budget(usd=0.01, days=1)},
            "spender": {"requests_per_minute": None, "budget": Budget(usd=BUDGET_USD, days=2)},
        }
        made = gateway_examples.model(
            routes=routes,
            tenants=tuple(
                gateway_examples.tenant(name, models=("alone",), **of) for name, of in limits.items()
            ),
            redis=Redis(host="127.0.0.1", port=port, tls=False),
            longest_stream_seconds=60,
        )
        keys = {name: f"sk-{name}-of-this-test-32-characters" for name in limits}
        gateways = []
        for number in range(2):
            gateway = Gateway(tmp_path_factory.mktemp(f"gateway-{number}"), made, keys)
            gateway.secrets = {"REDIS_PASSWORD": PASSWORD}
            gateways.append(stack.enter_context(gateway.running()))
        yield Pair(gateways, redis, up)


def test_requests_a_minute_are_exact_over_both(pair: Pair) -> None:
    _begin_a_minute()
    assert pair.ask("requests", RPM + 15) == {200: RPM, 429: 15}


def test_tokens_a_minute_are_exact_over_both_for_requests_one_after_the_other(pair: Pair) -> None:
    """Tokens are counted when an answer has ended: those at once pass together, as in OpenAI's own API."""
    _begin_a_minute()
    statuses = []
    for number in range(TPM_REQUESTS + 4):
        statuses.append(pair.gateways[number % 2].chat("alone", "tokens").status_code)
        time.sleep(0.3)  # the count reaches Redis after the answer
    assert statuses == [200] * TPM_REQUESTS + [429] * 4


def test_parallel_requests_are_exact_over_both(pair: Pair) -> None:
    pair.upstreams.behaviour["alone-1"] = "slow"
    try:
        found = pair.ask("parallel", PARALLEL + 5, together=PARALLEL + 5)
    finally:
        pair.upstreams.reset()
    assert found == {200: PARALLEL, 429: 5}
    assert pair.ask("parallel", 1) == {200: 1}, "places are given back"


def test_a_budget_is_exact_over_both_for_requests_one_after_the_other(pair: Pair) -> None:
    answers = []
    for number in range(BUDGET_USD + 4):
        answers.append(pair.gateways[number % 2].chat("alone", "spender"))
        time.sleep(0.3)  # the sum reaches Redis after the answer
    assert [answer.status_code for answer in answers] == [200] * BUDGET_USD + [429] * 4
    refused = answers[-1]
    assert refused.json()["error"]["type"] == "insufficient_quota"
    assert 2 * 86_400 - 60 <= int(refused.headers["retry-after"]) <= 2 * 86_400


def test_what_a_stream_cost_counts_too(pair: Pair) -> None:
    assert pair.gateways[0].chat("alone", "streamer", stream=True).status_code == 200
    time.sleep(0.3)
    assert pair.gateways[1].chat("alone", "streamer", stream=True).status_code == 429


def test_without_redis_serving_goes_on(pair: Pair) -> None:
    pair.redis.kill()
    pair.redis.wait()
    started = time.monotonic()
    assert pair.ask("free", 40) == {200: 40}
    assert pair.ask("requests", 4)[200] >= 0
    assert pair.ask("spender", 4) == {429: 4}, "what was spent is remembered"
    print(f"40 requests without Redis in {time.monotonic() - started:.1f} s")
    for gateway in pair.gateways:
        assert requests.get(f"{gateway.url}/health/readiness", timeout=10).ok


def _begin_a_minute() -> None:
    """Windows may be aligned to the clock: leave room for a test in one."""
    left = 60 - time.time() % 60
    if left < 20:
        time.sleep(left + 0.5)
