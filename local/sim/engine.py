"""What all simulated engines share: answers, errors, and the handling of faults."""

import contextlib
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any

from aiohttp import web

from local.sim.batch import Batch, BrokenStreamError, FinishReason, InjectedError, OverloadedError, Request
from local.sim.options import SimOptions

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DEFAULT_ANSWER_TOKENS = 48
EMBEDDING_SIZE = 16


class ApiError(Exception):
    """An answer other than 200. `kind` is the engine's own word for what is wrong."""

    def __init__(self, status: int, message: str, kind: str) -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind


class Engine(ABC):
    """One simulated engine; a subclass per real one says in what the real one is special."""

    name: str
    version: str
    models: Sequence[str]
    """Names it answers to."""
    batch: Batch
    options: SimOptions
    first_chunk_has_role_only = True
    """A stream of chat begins with a chunk that has the role and no text; else every chunk has the role."""
    last_chunk_is_empty = False
    """The reason of the end comes in a chunk of its own; else with the last token."""
    chat_id = "chatcmpl-"
    auto_tools = True
    """Whether the model may choose to call a tool."""
    prepare: Callable[[str], Awaitable[None]] | None = None
    """Runs before a request for a model."""

    @cached_property
    def fingerprint(self) -> str:
        """What every answer names: that it is simulated, by which engine and, in a pod, by which pod."""
        pod = os.environ.get("HOSTNAME")
        return f"simulated-{self.name}-{self.version}{f'@{pod}' if pod else ''}"

    @abstractmethod
    def error_body(self, error: ApiError) -> dict[str, Any]:
        """The engine's JSON for an error."""

    def overloaded(self) -> ApiError:
        """The engine's answer when its queue is full."""
        return ApiError(503, "The request queue is full.", "ServiceUnavailableError")

    @abstractmethod
    def budget(self, prompt_tokens: int, wanted: int | None, field: str) -> int | None:
        """Answer tokens allowed, None = no bound; `field` says where `wanted` stood. Raises ApiError."""

    def check_model(self, name: str) -> None:
        """Raise ApiError for a model the engine does not serve."""
        if name not in self.models:
            raise ApiError(404, f"The model `{name}` does not exist.", "NotFoundError")

    def check_tools(self, body: dict[str, Any]) -> None:
        """Raise ApiError for tools this engine was not started for; the text is vLLM's."""
        if body.get("tool_choice", "auto") == "auto" and not self.auto_tools:
            text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            raise ApiError(400, text, "BadRequestError")

    def job(
        self, model: str, prompt_tokens: int, limit: int | None, *, streamed: bool, tool: str | None
    ) -> Request:
        """A request with its answer made up. Raises ApiError when none may come in."""
        try:
            self.batch.admit()
        except OverloadedError:
            raise self.overloaded() from None
        except InjectedError:
            text = f"simulated fault of {self.name}"
            raise ApiError(self.options.error_status, text, "InternalServerError") from None
        words, finish = self._answer(model, limit, tool)
        return Request(prompt_tokens=prompt_tokens, words=words, finish=finish, streamed=streamed)

    def _answer(self, model: str, limit: int | None, tool: str | None) -> tuple[list[str], FinishReason]:
        if tool is not None:
            return ['{"simulated":', " true}"], "tool_calls"
        whole = self.options.output_tokens
        bound = DEFAULT_ANSWER_TOKENS if limit is None else limit
        count = min(whole or bound, bound)
        complete = (whole and whole <= bound) or limit is None
        return answer_words(f"{self.name} {self.version} as {model}", count), "stop" if complete else "length"

    async def whole(self, request: Request) -> str:
        """The text of an answer that is not streamed."""
        async with contextlib.aclosing(self.batch.tokens(request)) as tokens:
            return "".join([token async for token in tokens])


def answer_words(who: str, count: int) -> list[str]:
    """An answer of `count` tokens, one word each; the very first says that it is simulated."""
    head = f"[simulated] {who}, no model ran:".split()
    words = [*head, *map(str, range(1, count - len(head) + 1))][:count]
    return [word if number == 0 else f" {word}" for number, word in enumerate(words)]


def embedding(text: str) -> list[float]:
    """A vector of length about 1 that depends on the text alone."""
    digest = hashlib.sha256(text.encode()).digest()[:EMBEDDING_SIZE]
    return [(byte - 127.5) / 512 for byte in digest]


async def json_body(request: web.Request, kind: str = "BadRequestError") -> dict[str, Any]:
    """The body of a request. Raises ApiError if it is no JSON object."""
    try:
        body = json.loads(await request.read())
    except ValueError as problem:
        raise ApiError(400, f"Invalid JSON: {problem}", kind) from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object", kind)
    return body


def guarded(error_body: Callable[[ApiError], dict[str, Any]], handler: Handler) -> Handler:
    """A handler whose errors are answered the engine's way; a broken connection is cut."""

    async def guard(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return web.json_response(error_body(error), status=error.status)
        except BrokenStreamError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        except ConnectionResetError:  # the client has left
            return web.Response(status=499)

    return guard


async def event_stream(request: web.Request, content_type: str = "text/event-stream") -> web.StreamResponse:
    """Begin a streamed answer."""
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
