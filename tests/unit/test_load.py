"""The load itself, against a small server of this file that speaks OpenAI's form."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local.errors import LocalError
from local.layout import Layout
from local.load import VERSION_HEADER, Load, Plan, Target, run, target
from local.load_report import Ask

SETTINGS: dict[str, Any] = {
    "models": {
        "outside": {"provider": "openai"},
        "chat": {"versions": {"one": {}}},
        "small": {"versions": {"one": {}}},
    },
    "tenants": {"search": {"models": ["outside", "chat"]}, "batch": {"models": ["small"]}, "free": None},
}


class Server:
    """Answers whole; `faults` names what goes wrong, a request each in turn."""

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)
        self.connections: set[object] = set()
        self.bodies: list[dict[str, Any]] = []
        self.seconds = 0.0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer key"
        self.connections.add(request.transport)
        body = await request.json()
        self.bodies.append(body)
        fault = self.faults.pop(0) if self.faults else ""
        headers = {VERSION_HEADER: "chat-one"}
        if fault == "refused":
            return web.json_response({}, status=503, headers=headers)
        count = body["max_tokens"]
        if not body.get("stream"):
            await asyncio.sleep(self.seconds)
            choice = {"message": {"content": "word"}, "finish_reason": "length"}
            answer = {"choices": [choice], "usage": {"completion_tokens": count}}
            return web.json_response([] if fault == "strange" else answer, headers=headers)
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)

        async def say(choices: list[Any], **more: Any) -> None:
            await response.write(f"data: {json.dumps({'choices': choices, **more})}\n\n".encode())

        for _ in range(count):
            await say([{"delta": {"content": "word"}}])
            await asyncio.sleep(self.seconds / count)
            if fault == "cut":
                assert request.transport is not None
                request.transport.abort()
                return response
        await say([{"delta": {}, "finish_reason": "abort" if fault == "abort" else "length"}])
        await say([], usage={"completion_tokens": count})
        await response.write(b"data: [DONE]\n\n")
        return response

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def measured(server: Server, plan: Plan, meanwhile: Callable[[Load], Awaitable[None]] | None = None) -> Load:
    async def work() -> Load:
        async with server.running() as url:
            load = Load(Target(url=url, key="key", model="chat"), plan)
            await asyncio.gather(load.run(), *([meanwhile(load)] if meanwhile else []))
            return load

    return asyncio.run(work())


def test_requests_start_at_the_rate_and_every_fault_is_a_lost_request_of_its_version() -> None:
    server = Server("refused", "cut", "strange", "abort")
    load = measured(server, Plan(rate=40, seconds=0.5, mix=(Ask(False, 2), Ask(True, 5))))

    report = load.report()

    assert [(body.get("stream", False), body["max_tokens"]) for body in server.bodies[:3]] == [
        (False, 2),
        (True, 5),
        (False, 2),
    ]
    assert (report["requests"], report["lost"], report["unfinished"]) == (20, 4, 0)
    (row,) = report["versions"]
    assert (row["version"], row["streamed"]) == ("chat-one", 10)
    assert row["problems"] == {
        "status 503": 1,
        "cut (ClientPayloadError)": 1,
        "not an answer of OpenAI's form (TypeError)": 1,
        "finish_reason abort": 1,
    }


def test_slow_answers_do_not_slow_the_asking_and_are_waited_for() -> None:
    server = Server()
    server.seconds = 0.6
    begun = time.monotonic()
    load = measured(server, Plan(rate=50, seconds=0.2, mix=(Ask(True, 3),)))
    assert (len(load.outcomes), load.report()["lost"]) == (10, 0)
    assert load.seconds < 0.5, "one after the other they would take 6 s"
    assert time.monotonic() - begun > 0.6, "the open requests were waited for"


def test_a_gateway_that_is_not_there_loses_every_request() -> None:
    async def work() -> Load:
        async with Server().running() as url:
            pass
        load = Load(Target(url=url, key="key", model="chat"), Plan(rate=50, seconds=0.1))
        await load.run()
        return load

    (row,) = asyncio.run(work()).report()["versions"]
    assert (row["version"], row["problems"]) == ("(nobody)", {"connection refused": 5})


@pytest.mark.parametrize("reuse", [False, True])
def test_connections_are_reused_only_if_asked(*, reuse: bool) -> None:
    server = Server()
    load = measured(server, Plan(rate=5, seconds=1, mix=(Ask(False, 1),), reuse_connections=reuse))
    assert (load.report()["requests"], load.report()["lost"]) == (5, 0)
    if reuse:
        assert len(server.connections) < 5
        assert load.report()["connections"] == "connections are reused"
    else:
        assert len(server.connections) == 5
        assert load.report()["connections"] == "a connection of its own per request"


async def _stop(load: Load) -> None:
    await asyncio.sleep(0.25)
    load.stop()


async def _abandon(load: Load) -> None:
    await asyncio.sleep(0.25)
    load.abandon()


def test_a_load_that_is_stopped_waits_for_the_open_requests_and_one_that_is_abandoned_does_not() -> None:
    server, plan = Server(), Plan(rate=10, seconds=60, mix=(Ask(True, 1),))
    server.seconds = 1
    stopped = measured(server, plan, _stop)
    sent = len(server.bodies)
    assert sent > 0
    assert (len(stopped.outcomes), stopped.unfinished, stopped.report()["lost"]) == (sent, 0, 0)
    server.seconds = 30
    begun = time.monotonic()
    abandoned = measured(server, plan, _abandon)
    assert time.monotonic() - begun < 15, "answers take 30 s"
    assert abandoned.unfinished > 0
    assert (abandoned.report()["requests"], abandoned.abandoned) == (0, True)


def test_ctrl_c_ends_a_load_with_what_was_measured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        load = run(Target(url=url, key="key", model="chat"), Plan(rate=10, seconds=60))
        timer.join()
    assert load.abandoned
    assert load.unfinished > 0
    assert load.report()["requests"] == 0


@pytest.mark.parametrize(
    ("rate", "seconds", "words"),
    [
        (0, 30, "rate: 0 requests a second; give more than 0, at most 50"),
        (50.5, 30, "rate: 50.5 requests a second"),
        (5, 0, "seconds: 0; give more than 0, at most 600"),
        (5, 601, "seconds: 601"),
    ],
)
def test_a_load_is_bounded(rate: float, seconds: float, words: str) -> None:
    with pytest.raises(LocalError, match=words):
        Load(Target(url="", key="", model=""), Plan(rate=rate, seconds=seconds))


@pytest.mark.parametrize(
    ("tenant", "model", "key", "asked"),
    [
        (None, None, "key of search", "chat"),
        ("batch", None, "key of batch", "small"),
        (None, "small", "key of batch", "small"),
        ("free", "small", "key of free", "small"),
    ],
)
def test_who_asks_for_what_is_found_in_the_stack_file(
    tmp_path: Path, tenant: str | None, model: str | None, key: str, asked: str
) -> None:
    layout = _layout(tmp_path)
    found = target(layout, "http://gateway", SETTINGS, tenant=tenant, model=model)
    assert found == Target(url="http://gateway", key=key, model=asked)
    assert key not in repr(found)


@pytest.mark.parametrize(
    ("url", "tenant", "model", "words"),
    [
        (None, None, None, "no gateway runs here"),
        ("http://gateway", "nobody", None, "tenant: there is no 'nobody'; the stack file has: batch, free"),
        ("http://gateway", None, "big", "model: there is no 'big'; the stack file has: outside, chat"),
        ("http://gateway", "batch", "chat", "no such tenant may ask such a model"),
    ],
)
def test_what_cannot_be_asked_is_said(
    tmp_path: Path, url: str | None, tenant: str | None, model: str | None, words: str
) -> None:
    with pytest.raises(LocalError, match=words):
        target(_layout(tmp_path), url, SETTINGS, tenant=tenant, model=model)


def _layout(folder: Path) -> Layout:
    layout = Layout(folder)
    layout.keys.mkdir(parents=True)
    for name in SETTINGS["tenants"]:
        (layout.keys / name).write_text(f"key of {name}\n")
    return layout
