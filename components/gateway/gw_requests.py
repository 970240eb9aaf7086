"""Requests that no engine should see, told in OpenAI's words. Pure; runs without this repository.

LiteLLM passes on what it does not know, and answers a body that is no object with a 500. Limits are those of
OpenAI's API reference for chat completions, completions and embeddings (read 2026-11-27); `/v1/messages` is
Anthropic's.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

MAX_BODY_BYTES = 32 * 2**20
"""Our choice: a few images in base64 fit, a 100 MB body does not. LiteLLM's own limit is a paid feature."""
NO_OBJECT = "the body must be a JSON object"
Problem = tuple[int, str, str]
"""Status, message, name of the parameter."""


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= low


_FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "model": ("a name", lambda value: isinstance(value, str) and bool(value.strip())),
    "stream": ("true or false", lambda value: isinstance(value, bool)),
    "temperature": ("a number from 0 to 2", _between(0, 2)),
    "top_p": ("a number from 0 to 1", _between(0, 1)),
    "frequency_penalty": ("a number from -2 to 2", _between(-2, 2)),
    "presence_penalty": ("a number from -2 to 2", _between(-2, 2)),
    "max_tokens": ("a whole number of at least 1", _whole(1)),
    "max_completion_tokens": ("a whole number of at least 1", _whole(1)),
    "n": ("a whole number of at least 1", _whole(1)),
    "tools": ("a list", lambda value: isinstance(value, list)),
}
_REQUIRED = {
    "/v1/chat/completions": ("model", "messages"),
    "/v1/completions": ("model", "prompt"),
    "/v1/embeddings": ("model", "input"),
    "/v1/messages": ("model", "messages", "max_tokens"),
}


def problem(path: str, body: bytes) -> Problem | None:
    """Return what is wrong with a request to a path, None if nothing is, or if the path takes no body."""
    required = _REQUIRED.get(path)
    if required is None:
        return None
    if len(body) > MAX_BODY_BYTES:
        return 413, f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are taken", "body"
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return 400, "the body is not JSON", "body"
    if not isinstance(request, dict):
        return 400, NO_OBJECT, "body"
    for name in required:
        if request.get(name) in (None, "", []):
            return 400, f"{name} is missing or empty", name
    for name, (right, holds) in _FIELDS.items():
        if request.get(name) is not None and not holds(request[name]):
            return 400, f"{name} must be {right}", name
    return _messages(request["messages"]) if "messages" in required else None


def _messages(messages: Any) -> Problem | None:
    if not isinstance(messages, list):
        return 400, "messages must be a list", "messages"
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return 400, f"messages[{place}] must be an object with a role", f"messages[{place}]"
    return None


class ObjectsOnly:
    """ASGI application before LiteLLM's: a body that is no JSON object gets a 400 and goes no further.

    LiteLLM answers such a body with a bare 500, before it asks any hook.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Look at the first piece of the body of a request that takes one; pass on all else."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in _REQUIRED:
            await self._inner(scope, receive, send)
            return
        waiting = [await receive()]
        start = waiting[0].get("body", b"").lstrip()
        if start and not start.startswith(b"{"):
            await _refuse(send)
            return

        async def again() -> Any:
            return waiting.pop() if waiting else await receive()

        await self._inner(scope, again, send)


async def _refuse(send: Any) -> None:
    error = {"message": NO_OBJECT, "type": "invalid_request_error", "param": "body", "code": "400"}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
