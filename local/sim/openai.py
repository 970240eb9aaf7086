"""The OpenAI routes of an engine: chat, completions, embeddings, models."""

import array
import base64
import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any, Literal

from aiohttp import web

from local.sim.batch import Request
from local.sim.engine import ApiError, Engine, embedding, event, event_stream, guarded, json_body

DONE = b"data: [DONE]\n\n"
Route = Literal["chat", "completions"]


class OpenAi:
    """The handlers. Only one choice is made, whatever `n`; `stop` and `response_format` are not looked at."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._created = int(time.time())

    def add_text_routes(self, app: web.Application) -> None:
        """Add chat and completions."""
        app.router.add_post("/v1/chat/completions", guarded(self._engine.error_body, self._chat))
        app.router.add_post("/v1/completions", guarded(self._engine.error_body, self._completions))

    def add_embeddings(self, app: web.Application) -> None:
        """Add embeddings."""
        app.router.add_post("/v1/embeddings", guarded(self._engine.error_body, self._embeddings))

    def model(self, name: str, **more: object) -> dict[str, Any]:
        """One entry of /v1/models."""
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": self._engine.name,
            **more,
        }

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise ApiError(400, "messages: a list of at least one message is required", "BadRequestError")
        tool = _tool(body, messages)
        if body.get("tools"):
            self._engine.check_tools(body)
        field = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
        return await self._answer(request, body, "chat", count_messages(messages), field, tool)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        prompt = body.get("prompt")
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        if not isinstance(prompt, str):
            raise ApiError(400, "prompt: one text is required", "BadRequestError")
        return await self._answer(request, body, "completions", len(prompt.split()), "max_tokens", None)

    async def _answer(
        self,
        request: web.Request,
        body: dict[str, Any],
        route: Route,
        prompt: int,
        field: str,
        tool: str | None,
    ) -> web.StreamResponse:
        model = str(body.get("model") or next(iter(self._engine.models), ""))
        self._engine.check_model(model)
        if self._engine.prepare is not None:
            await self._engine.prepare(model)
        limit = self._engine.budget(prompt, _whole_number(body, field), field)
        streamed = bool(body.get("stream"))
        job = self._engine.job(model, prompt, limit, streamed=streamed, tool=tool)
        chunks = _Chunks(self._engine, route, model, tool)
        if not streamed:
            text = await self._engine.whole(job)
            return web.json_response(chunks.whole(job, text))
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return await self._stream(request, job, chunks, wants_usage=wants_usage)

    async def _stream(
        self, request: web.Request, job: Request, chunks: "_Chunks", *, wants_usage: bool
    ) -> web.StreamResponse:
        response = await event_stream(request)
        async with contextlib.aclosing(self._engine.batch.tokens(job)) as tokens:
            async for token in tokens:
                for chunk in chunks.of_token(job, token):
                    await response.write(event(chunk))
        for chunk in chunks.end(job, wants_usage=wants_usage):
            await response.write(event(chunk))
        await response.write(DONE)
        await response.write_eof()
        return response

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        model = str(body.get("model") or next(iter(self._engine.models), ""))
        self._engine.check_model(model)
        if self._engine.prepare is not None:
            await self._engine.prepare(model)
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ApiError(400, "input: a text or a list of texts is required", "BadRequestError")
        tokens = sum(len(text.split()) for text in texts)
        await self._engine.whole(self._engine.job(model, tokens, 0, streamed=False, tool=None))
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
            for index, vector in enumerate(map(embedding, texts))
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "data": data, "model": model, "usage": usage})


class _Chunks:
    """The JSON of one answer, whole or in chunks."""

    def __init__(self, engine: Engine, route: Route, model: str, tool: str | None) -> None:
        self._engine, self._chat, self._tool = engine, route == "chat", tool
        prefix = engine.chat_id if self._chat else "cmpl-"
        self._call = f"call_{uuid.uuid4().hex[:24]}"
        self._started = False
        self._head = {
            "id": f"{prefix}{uuid.uuid4().hex}" if prefix else "",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": engine.fingerprint,
        }

    def whole(self, job: Request, text: str) -> dict[str, Any]:
        """The answer at once."""
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": job.finish_reason}
        if not self._chat:
            choice["text"] = text
        elif self._tool is None:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["message"] = {"role": "assistant", "content": None, "tool_calls": [self._tool_call(text)]}
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [choice], "usage": usage(job)}

    def of_token(self, job: Request, token: str) -> Iterator[dict[str, Any]]:
        """The chunks a token is sent in."""
        last = None if self._engine.last_chunk_is_empty else job.finish_reason or None
        if not self._chat:
            yield self._chunk({"text": token}, last)
            return
        delta: dict[str, Any] = {} if self._engine.first_chunk_has_role_only else {"role": "assistant"}
        if not self._started and self._engine.first_chunk_has_role_only:
            yield self._chunk({"delta": {"role": "assistant", "content": ""}}, None)
        if self._tool is None:
            delta["content"] = token
        else:
            arguments = {"index": 0, "function": {"arguments": token}}
            delta["tool_calls"] = [arguments if self._started else {"index": 0, **self._tool_call(token)}]
        self._started = True
        yield self._chunk({"delta": delta}, last)

    def end(self, job: Request, *, wants_usage: bool) -> Iterator[dict[str, Any]]:
        """What follows the last token: the reason of the end if not told yet, the usage if asked for."""
        if self._engine.last_chunk_is_empty or job.generated < len(job.words):
            yield self._chunk({"delta": {"content": ""}} if self._chat else {"text": ""}, job.finish_reason)
        if wants_usage:
            yield {**self._head, "object": self._kind, "choices": [], "usage": usage(job)}

    @property
    def _kind(self) -> str:
        return "chat.completion.chunk" if self._chat else "text_completion"

    def _chunk(self, content: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head, "object": self._kind, "choices": [choice]}

    def _tool_call(self, arguments: str) -> dict[str, Any]:
        return {
            "id": self._call,
            "type": "function",
            "function": {"name": self._tool, "arguments": arguments},
        }


def usage(job: Request) -> dict[str, int]:
    """The token counts of an answer."""
    total = job.prompt_tokens + job.generated
    return {"prompt_tokens": job.prompt_tokens, "completion_tokens": job.generated, "total_tokens": total}


def _tool(body: dict[str, Any], messages: list[Any]) -> str | None:
    """The function to call: the one named, else the first, unless the last message is a tool's result."""
    names = [str(tool.get("function", {}).get("name")) for tool in body.get("tools") or ()]
    choice = body.get("tool_choice", "auto")
    if not names or choice == "none" or messages[-1].get("role") == "tool":
        return None
    named = str(choice.get("function", {}).get("name")) if isinstance(choice, dict) else names[0]
    if named not in names:
        raise ApiError(400, f"tool_choice: there is no function {named}", "BadRequestError")
    return named


def count_messages(messages: list[Any]) -> int:
    """Tokens of all texts, a word each. Raises ApiError for a message that is no object."""
    total = 0
    for message in messages:
        if not isinstance(message, dict):
            raise ApiError(400, "messages: each message is an object", "BadRequestError")
        content = message.get("content") or ""
        parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
        total += sum(len(part.split()) for part in parts)
    return total


def _whole_number(body: dict[str, Any], field: str) -> int | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise ApiError(400, f"{field} must be at least 1, got {value}.", "BadRequestError")
    return value


def _packed(vector: list[float]) -> str:
    return base64.b64encode(array.array("f", vector).tobytes()).decode()
