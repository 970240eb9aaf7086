"""What one line of the gateway's request log says."""

import sys
from typing import Any

import pytest

from components.gateway import gw_privacy
from components.gateway.gw_log import failure, line

ANSWERED: dict[str, Any] = {
    "litellm_call_id": "r1",
    "status": "success",
    "startTime": 100.0,
    "completionStartTime": 100.25,
    "endTime": 102.5,
    "stream": True,
    "model_group": "chat",
    "model_id": "chat-v1",
    "prompt_tokens": 7,
    "completion_tokens": 11,
    "response_cost": 0.25,
    "messages": [{"role": "user", "content": "hello"}],
    "response": {"content": "hi"},
    "metadata": {
        "user_api_key_alias": "search",
        "user_api_key_auth_metadata": {"key": "0123456789ab"},
        "user_api_key_request_route": "/v1/chat/completions",
    },
}


def test_an_answered_request_is_told_flat_and_without_its_words() -> None:
    assert line(ANSWERED, prompts=False) == {
        "event": "answered",
        "time": 100.0,
        "request_id": "r1",
        "tenant": "search",
        "key": "0123456789ab",
        "path": "/v1/chat/completions",
        "model": "chat",
        "version": "chat-v1",
        "stream": True,
        "prompt_tokens": 7,
        "completion_tokens": 11,
        "cost_usd": 0.25,
        "first_token_seconds": 0.25,
        "seconds": 2.5,
    }


def test_words_are_told_where_that_is_asked_for() -> None:
    told = line(ANSWERED, prompts=True)
    assert (told["messages"], told["response"]) == (ANSWERED["messages"], ANSWERED["response"])


def test_a_failed_try_is_told_with_its_error() -> None:
    error = {"error_code": "503", "error_class": "ServiceUnavailableError", "error_message": "secret address"}
    told = line(ANSWERED | {"status": "failure", "error_information": error}, prompts=False)
    assert (told["event"], told["status"], told["error"]) == ("try_failed", "503", "ServiceUnavailableError")
    assert "secret address" not in str(told)


def test_a_call_litellm_knows_nothing_of_is_told_without_a_fault() -> None:
    assert line({}, prompts=True)["request_id"] is None


class CodeError(Exception):
    """As LiteLLM's ProxyException."""

    code = "429"


@pytest.mark.parametrize(("error", "status"), [(CodeError(), 429), (ValueError(), 503)])
def test_a_failure_is_told_with_its_status_and_who_asked(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gw_privacy", gw_privacy)
    who = {"key_alias": "search", "metadata": {"key": "0123456789ab"}}
    told = failure({"model": "chat", "litellm_call_id": "r1"}, error, who, "/v1/chat/completions")
    assert (told["status"], told["tenant"], told["key"], told["model"]) == (
        status,
        "search",
        "0123456789ab",
        "chat",
    )
