"""Whom `make up` chats as, what it takes for an answer, and whose logs are meant."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.errors import LocalError
from local.first_chat import Client, choose_client, send
from local.layout import Layout
from local.logs import target

HERE = Layout(Path("checkout"))
MODELS = {"outside": {"provider": "openai"}, "chat": {"versions": {"v1": {}}}}


@pytest.mark.parametrize(
    ("tenants", "chosen"),
    [
        ({"a": {"models": ["outside"]}, "b": {"models": ["outside", "chat"]}}, ("b", "chat")),
        ({"a": {}}, ("a", "chat")),
        ({"a": None}, ("a", "chat")),
        ({"a": {"models": ["outside"]}}, None),
        ({}, None),
    ],
)
def test_the_first_tenant_that_may_use_a_model_of_ours_asks(
    tenants: dict[str, Any], chosen: tuple[str, str] | None
) -> None:
    client = choose_client(HERE, {"models": MODELS, "tenants": tenants})

    assert (client and (client.tenant, client.model)) == chosen
    assert client is None or client.key_file == HERE.keys / client.tenant


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("gateway", ("-l", "app.kubernetes.io/name=gateway,app.kubernetes.io/instance=gateway")),
        ("chat/v1", ("-l", "llmserve.dev/model=chat,llmserve.dev/version=v1")),
        ("chat-v1-abc", ("chat-v1-abc",)),
    ],
)
def test_logs_are_of_the_gateway_a_version_or_a_pod(what: str, arguments: tuple[str, ...]) -> None:
    assert target(what, "gateway") == arguments


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers every chat with the server's `events`."""

    server: "Server"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.headers["Authorization"] == "Bearer sk-1" else 401)
        self.send_header("x-litellm-model-id", "chat-v1")
        self.end_headers()
        for event in [*map(json.dumps, self.server.events), "[DONE]"]:
            self.wfile.write(f"data: {event}\n\n".encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(http.server.HTTPServer):
    """A gateway of which a test decides what it streams."""

    events: list[dict[str, Any]]


@pytest.fixture
def gateway() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def chunk(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("events", "key", "outcome"),
    [
        (
            [chunk(""), chunk("Hi"), chunk(" you"), chunk(None, "stop"), {"choices": []}],
            "sk-1",
            ["Hi", " you"],
        ),
        ([chunk("Hi")], "sk-1", "cut short after 1 tokens"),
        ([chunk(None, "stop")], "sk-1", "cut short after 0 tokens"),
        ([chunk("Hi"), {"error": {"message": "engine lost"}}], "sk-1", "broke the stream off.*engine lost"),
        ([], "sk-2", "the gateway answered 401"),
    ],
)
def test_only_a_whole_answer_counts(
    gateway: Server, tmp_path: Path, events: list[dict[str, Any]], key: str, outcome: list[str] | str
) -> None:
    gateway.events = events
    (tmp_path / "key").write_text(f"{key}\n")
    client, url = Client("t", tmp_path / "key", "chat"), f"http://127.0.0.1:{gateway.server_port}"

    if isinstance(outcome, str):
        with pytest.raises(LocalError, match=outcome):
            send(url, client)
        return
    answer = send(url, client)
    assert answer.tokens == outcome
    assert (answer.finish_reason, answer.version) == ("stop", "chat-v1")
    assert 0 < answer.first_token_seconds <= answer.total_seconds
