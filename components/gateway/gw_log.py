"""LiteLLM callback: a JSON line per request and failed try on standard output. Runs without this repository.

`gw_log.requests` writes who asked, what answered, what it cost and how it ended, and
`gw_log.requests_and_prompts` also what was asked and answered.
"""

import json
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any

REQUEST_ID_HEADER = "X-Request-Id"
"""The id in the log and in the response's `x-litellm-call-id`, sent to the engine, whose log names it too."""

MODEL_CHARACTERS = 200
"""Of a name that no model has: the client may have sent anything."""
caller: ContextVar[dict[str, Any] | None] = ContextVar("caller", default=None)
"""Who asks: fields of `gw_auth`. LiteLLM forgets them where it refuses a request after our hook."""


def line(payload: Mapping[str, Any], prompts: bool) -> dict[str, Any]:
    """Return what is told of one call: a LiteLLM StandardLoggingPayload as a flat object, times in seconds.

    A failed call is a try: the sibling version or a fallback may still have answered the request, which has
    a line of its own with the same `request_id`.
    """
    metadata = payload.get("metadata") or {}
    error = payload.get("error_information") or {}
    started, first, ended = (
        payload.get(name) or 0 for name in ("startTime", "completionStartTime", "endTime")
    )
    told = {
        "event": "answered" if payload.get("status") == "success" else "try_failed",
        "time": started,
        "request_id": payload.get("litellm_call_id"),
        "tenant": metadata.get("user_api_key_alias"),
        "key": (metadata.get("user_api_key_auth_metadata") or {}).get("key"),
        "path": metadata.get("user_api_key_request_route"),
        "model": payload.get("model_group"),
        "version": payload.get("model_id"),
        "stream": bool(payload.get("stream")),
        "prompt_tokens": payload.get("prompt_tokens"),
        "completion_tokens": payload.get("completion_tokens"),
        "cost_usd": payload.get("response_cost"),
        "first_token_seconds": round(first - started, 4) if payload.get("stream") and first else None,
        "seconds": round(ended - started, 4),
    }
    if told["event"] == "try_failed":
        told |= {"status": error.get("error_code"), "error": error.get("error_class")}
    if prompts:
        told |= {"messages": payload.get("messages"), "response": payload.get("response")}
    return told


def failure(
    request: Mapping[str, Any], error: Exception, who: Mapping[str, Any], path: str | None
) -> dict[str, Any]:
    """Return what is told of a request that the client saw fail, also one refused before any try."""
    return {
        "event": "failed",
        "time": time.time(),
        "request_id": request.get("litellm_call_id"),
        "tenant": who.get("key_alias"),
        "key": (who.get("metadata") or {}).get("key"),
        "path": path,
        "model": str(request.get("model"))[:MODEL_CHARACTERS] if "model" in request else None,
        "status": import_module("gw_privacy").shown_status(error),
        "error": type(error).__name__,
    }


def write(told: Mapping[str, Any]) -> None:
    """Put one line on standard output, whole and at once."""
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    sys.stdout.flush()


def __getattr__(name: str) -> Any:
    """Make the callback that LiteLLM asks for by its name: its base class is LiteLLM's."""
    if name not in ("requests", "requests_and_prompts"):
        raise AttributeError(name)
    prompts = name == "requests_and_prompts"
    base: Any = import_module("litellm.integrations.custom_logger").CustomLogger

    class RequestLog(base):  # type: ignore[misc]
        async def async_pre_call_hook(self, data: Any, **_: Any) -> Any:
            if request_id := data.get("litellm_call_id"):
                data["extra_headers"] = (data.get("extra_headers") or {}) | {REQUEST_ID_HEADER: request_id}
            return data

        async def async_log_success_event(self, kwargs: Any, **_: Any) -> None:
            self._tell(kwargs)

        async def async_log_failure_event(self, kwargs: Any, **_: Any) -> None:
            self._tell(kwargs)

        async def async_post_call_failure_hook(
            self, request_data: Any, original_exception: Any, user_api_key_dict: Any, **_: Any
        ) -> None:
            # by import, as gw_auth does: LiteLLM loads a second copy of this file by its path
            who = import_module("gw_log").caller.get() or {}
            path = getattr(user_api_key_dict, "request_route", None)
            write(failure(request_data or {}, original_exception, who, path))

        def _tell(self, kwargs: Any) -> None:
            told = line(kwargs.get("standard_logging_object") or {}, prompts)
            # LiteLLM calls it a failed call also where our hook refused the request: told as `failed` alone
            if told["event"] == "answered" or told["tenant"]:
                write(told)

    return RequestLog()
