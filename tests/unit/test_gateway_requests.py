"""Which requests the gateway refuses before an engine sees them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gateway.gw_requests import MAX_BODY_BYTES, problem

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
