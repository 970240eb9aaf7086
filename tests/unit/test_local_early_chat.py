"""The chat beside `pulumi up`: sent once it can be answered, and not at all to a stack that was up before."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import early_chat
from local.early_chat import EarlyChat
from local.errors import LocalError
from local.first_chat import Answer, Client
from local.kubectl import Kubectl

CLIENT = Client("t", Path("key"), "chat")
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
WAITING: dict[str, Any] = {"status": {}}
SOON_SECONDS = 5


class Pods(Kubectl):
    """A cluster whose pods of the model a test decides."""

    def list(self, *arguments: str) -> list[dict[str, Any]]:
        assert arguments == ("pods", "-n", "llmserve", "-l", "llmserve.dev/model=chat")
        return PODS


PODS: list[dict[str, Any]] = []


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> EarlyChat:
    monkeypatch.setattr(early_chat, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(early_chat, "send", lambda *_: Answer(["Hi"], 0.1, 42.0, 0.2, "stop", None))
    PODS[:] = [READY]
    return EarlyChat("http://127.0.0.1:1", CLIENT, Pods(Path("kubectl"), Path("kubeconfig")), "llmserve")


def answering_from(monkeypatch: pytest.MonkeyPatch, ask: int) -> None:
    """The gateway's port takes connections from this ask on."""
    asked = iter(range(1_000_000))
    monkeypatch.setattr(early_chat, "_answers", lambda _url: next(asked) >= ask)


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_chat_is_sent_once_the_gateway_takes_connections(
    chat: EarlyChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering_from(monkeypatch, 3)
    with chat:
        wait_until(lambda: chat.first_token_at)
    assert chat.first_token_at == 42.0


def test_a_stack_that_was_up_before_is_not_asked(chat: EarlyChat, monkeypatch: pytest.MonkeyPatch) -> None:
    answering_from(monkeypatch, 0)
    with chat:
        assert not chat.is_alive()
    assert chat.first_token_at is None


@pytest.mark.parametrize("pods", [[], [READY, WAITING]])
def test_no_chat_is_sent_while_a_pod_of_the_model_is_missing_or_not_ready(
    chat: EarlyChat, monkeypatch: pytest.MonkeyPatch, pods: list[dict[str, Any]]
) -> None:
    PODS[:] = pods
    answering_from(monkeypatch, 1)
    with chat:
        time.sleep(0.1)
        assert chat.first_token_at is None
        PODS[:] = [READY]
        wait_until(lambda: chat.first_token_at)


def test_a_refused_chat_is_sent_again(chat: EarlyChat, monkeypatch: pytest.MonkeyPatch) -> None:
    answering_from(monkeypatch, 1)
    outcomes = iter([LocalError("not yet"), Answer(["Hi"], 0.1, 43.0, 0.2, "stop", None)])

    def send(*_: object) -> Answer:
        outcome = next(outcomes)
        if isinstance(outcome, LocalError):
            raise outcome
        return outcome

    monkeypatch.setattr(early_chat, "send", send)
    with chat:
        wait_until(lambda: chat.first_token_at)
    assert chat.first_token_at == 43.0


def test_the_body_of_the_with_may_fail_before_anything_answers(
    chat: EarlyChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_chat, "_answers", lambda _url: False)
    with pytest.raises(LocalError, match="pulumi"), chat:
        raise LocalError("pulumi up ended with status 1")
    assert not chat.is_alive()
    assert chat.first_token_at is None
