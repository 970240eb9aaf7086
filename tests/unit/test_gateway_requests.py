"""Which requests the gateway refuses before an engine sees them."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gateway.gw_requests import MAX_BODY_BYTES, ObjectsOnly, problem

CHAT = "/v1/chat/completions"
RIGHT: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x"}, {"content": "x"}]}, "messages[1]"),
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": -1}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    found = problem(CHAT, json.dumps({**RIGHT, **change}).encode())
    assert found is not None
    assert found[0] == 400
    assert found[2] == param


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"temperature": 0},
        {"temperature": 2.0, "top_p": None, "max_tokens": 1, "stream": True},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "x"}]},
        {"tools": [], "something_of_vllm": {"top_k": 5}},
    ],
    ids=str,
)
def test_a_right_request_passes_with_whatever_an_engine_may_know(change: dict[str, Any]) -> None:
    assert problem(CHAT, json.dumps({**RIGHT, **change}).encode()) is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": "chat", "prompt": "x"}),
        ("/v1/embeddings", {"model": "chat", "input": ["x"]}),
        ("/v1/messages", {"model": "chat", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}),
    ],
)
def test_other_paths_ask_for_their_own_field(path: str, body: dict[str, Any]) -> None:
    assert problem(path, json.dumps(body).encode()) is None
    assert problem(path, json.dumps({"model": "chat"}).encode()) is not None


def test_a_path_without_a_body_is_not_looked_at() -> None:
    assert problem("/v1/models", b"") is None


def test_a_body_that_is_too_large_is_413() -> None:
    found = problem(CHAT, b" " * (MAX_BODY_BYTES + 1))
    assert found is not None
    assert found[0] == 413


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_whatever_else_is_sent_is_told_and_never_raises(body: bytes) -> None:
    found = problem(CHAT, body)
    assert found is not None
    assert found[0] == 400


class Inner:
    """The application behind: remembers the bodies it got."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del send
        body, more = b"", scope["type"] == "http"
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)


def asked(pieces: list[bytes], **scope: Any) -> tuple[list[bytes], list[Any]]:
    """What the application behind got, and what was sent by the one before it."""
    inner, sent, left = Inner(), [], list(pieces)

    async def receive() -> Any:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    plain = {"type": "http", "method": "POST", "path": CHAT}
    asyncio.run(ObjectsOnly(inner)(plain | scope, receive, send))
    return inner.bodies, sent


@pytest.mark.parametrize("pieces", [[b'{"a": 1}'], [b' \n{"a":', b" 1}"], [b"", b"{}"], [b"   ", b"[]"]])
def test_a_body_that_may_be_an_object_reaches_the_gateway_whole(pieces: list[bytes]) -> None:
    assert asked(pieces) == ([b"".join(pieces)], [])


@pytest.mark.parametrize("body", [b"[1, 2]", b' "text"', b"7", b"null", b"\xff\xfe"])
def test_a_body_that_is_no_object_goes_no_further(body: bytes) -> None:
    bodies, (head, tail) = asked([body])
    assert bodies == []
    assert head["status"] == 400
    assert json.loads(tail["body"])["error"]["message"] == "the body must be a JSON object"


@pytest.mark.parametrize("scope", [{"method": "GET"}, {"path": "/health"}])
def test_what_takes_no_object_is_let_through(scope: dict[str, str]) -> None:
    assert asked([b"[]"], **scope) == ([b"[]"], [])


def test_the_start_of_the_application_is_let_through() -> None:
    assert asked([], type="lifespan") == ([b""], [])
