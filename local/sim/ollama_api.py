"""Ollama's own routes (/api/...): JSON lines."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.errors import LocalError
from local.sim import ollama_store as store
from local.sim.batch import Request
from local.sim.engine import ApiError, embedding, event_stream, guarded, json_body
from local.sim.openai import OpenAi, count_messages

if TYPE_CHECKING:
    from local.sim.ollama_server import Ollama

NANO = 10**9
LINES = "application/x-ndjson"
FOREVER = timedelta(days=365 * 100)
DETAILS = {"format": "gguf", "family": "simulated", "parameter_size": "0", "quantization_level": "none"}


def add_routes(engine: "Ollama", api: OpenAi, app: web.Application) -> None:
    """Add all of them, and /v1/models."""
    own = OllamaApi(engine)

    async def models(_: web.Request) -> web.Response:
        engine.refresh()
        data = [api.model(name, owned_by="library") for name in engine.models]
        return web.json_response({"object": "list", "data": data})

    app.router.add_get("/", own.alive)
    app.router.add_get("/v1/models", models)
    for path, reader in (("version", own.version), ("tags", own.tags), ("ps", own.loaded)):
        app.router.add_get(f"/api/{path}", reader)
    for path, handler in (
        ("chat", own.chat),
        ("generate", own.generate),
        ("pull", own.pull),
        ("show", own.show),
        ("embed", own.embed),
    ):
        app.router.add_post(f"/api/{path}", guarded(_error_body, handler))


class OllamaApi:
    """The handlers."""

    def __init__(self, engine: "Ollama") -> None:
        self._engine = engine

    async def alive(self, _: web.Request) -> web.Response:
        """GET /."""
        return web.Response(text="Ollama is running")

    async def version(self, _: web.Request) -> web.Response:
        """GET /api/version: answers before any model is there."""
        return web.json_response({"version": self._engine.version})

    async def tags(self, _: web.Request) -> web.Response:
        """GET /api/tags: pulled models."""
        self._engine.refresh()
        return web.json_response({"models": [_model(name) for name in self._engine.models]})

    async def loaded(self, _: web.Request) -> web.Response:
        """GET /api/ps: models in memory."""
        more = {
            "expires_at": _time(FOREVER),
            "size_vram": 0,
            "context_length": self._engine.context_length,
        }
        return web.json_response({"models": [{**_model(name), **more} for name in self._engine.loaded]})

    async def show(self, request: web.Request) -> web.StreamResponse:
        """POST /api/show."""
        await self._model(await json_body(request))
        return web.json_response(
            {"details": DETAILS, "model_info": {}, "capabilities": ["completion", "tools"]}
        )

    async def pull(self, request: web.Request) -> web.StreamResponse:
        """POST /api/pull: notes the model as pulled."""
        body = await json_body(request)
        name = str(body.get("model") or body.get("name") or "")
        try:
            there = store.path_of(self._engine.root, name).exists()
        except LocalError as problem:
            raise ApiError(400, str(problem), "") from None
        if body.get("stream") is False:
            await self._download(name, there)
            return web.json_response({"status": "success"})
        response = await event_stream(request, LINES)
        await response.write(_line({"status": "pulling manifest (simulated)"}))
        await self._download(name, there)
        await response.write(_line({"status": "success"}))
        await response.write_eof()
        return response

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /api/chat."""
        body = await json_body(request)
        messages = body.get("messages") or []
        prompt = count_messages(messages)

        def part(text: str) -> dict[str, Any]:
            return {"message": {"role": "assistant", "content": text}}

        return await self._answer(request, body, prompt, part, empty=not messages)

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """POST /api/generate; without a prompt it only loads the model, or unloads it with keep_alive 0."""
        body = await json_body(request)
        text = str(body.get("prompt") or "")
        return await self._answer(
            request, body, len(text.split()), lambda part: {"response": part}, empty=not text
        )

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """POST /api/embed."""
        body = await json_body(request)
        name = await self._model(body)
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input") or []
        tokens = sum(len(str(text).split()) for text in texts)
        await self._engine.load(name)
        await self._engine.whole(self._engine.job(name, tokens, 0, streamed=False, tool=None))
        vectors = [embedding(str(text)) for text in texts]
        return web.json_response({"model": name, "embeddings": vectors, "prompt_eval_count": tokens})

    async def _answer(
        self,
        request: web.Request,
        body: dict[str, Any],
        prompt: int,
        part: Callable[[str], dict[str, Any]],
        *,
        empty: bool,
    ) -> web.StreamResponse:
        name = await self._model(body)
        if empty:
            unload = body.get("keep_alive") in (0, "0", "0s")
            if unload:
                self._engine.unload(name)
            else:
                await self._engine.load(name)
            end = {"done": True, "done_reason": "unload" if unload else "load"}
            return web.Response(
                body=_line({**_head(name), **part(""), **end}), content_type="application/json"
            )
        limit = (body.get("options") or {}).get("num_predict")
        limit = limit if isinstance(limit, int) and limit > 0 else None
        await self._engine.load(name)
        job = self._engine.job(name, prompt, limit, streamed=body.get("stream", True), tool=None)
        if not job.streamed:
            text = await self._engine.whole(job)
            return web.json_response({**_head(name), **part(text), **_end(job)})
        response = await event_stream(request, LINES)
        async with contextlib.aclosing(self._engine.batch.tokens(job)) as tokens:
            async for word in tokens:
                await response.write(_line({**_head(name), **part(word), "done": False}))
        await response.write(_line({**_head(name), **part(""), **_end(job)}))
        await response.write_eof()
        return response

    async def _model(self, body: dict[str, Any]) -> str:
        name = str(body.get("model") or body.get("name") or "")
        if not name:
            raise ApiError(400, "model is required", "")
        self._engine.check_model(name)
        return name

    async def _download(self, name: str, there: bool) -> None:
        if not there:
            await asyncio.sleep(self._engine.options.pull_seconds)
            store.add(self._engine.root, name)
            self._engine.refresh()


def _model(name: str) -> dict[str, Any]:
    digest = "0" * 64
    return {
        "name": name,
        "model": name,
        "modified_at": _time(),
        "size": 0,
        "digest": digest,
        "details": DETAILS,
    }


def _head(model: str) -> dict[str, Any]:
    return {"model": model, "created_at": _time()}


def _end(job: Request) -> dict[str, Any]:
    return {
        "done": True,
        "done_reason": job.finish_reason,
        "total_duration": int((job.finished - job.arrived) * NANO),
        "load_duration": 0,
        "prompt_eval_count": job.prompt_tokens,
        "prompt_eval_duration": int((job.first_token - job.started) * NANO),
        "eval_count": job.generated,
        "eval_duration": int((job.last_token - job.first_token) * NANO),
    }


def _error_body(error: ApiError) -> dict[str, Any]:
    return {"error": error.message}


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _time(later: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) + later).isoformat().replace("+00:00", "Z")
