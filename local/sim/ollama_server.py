"""Simulated `ollama serve`: facts.md §9. The port opens at once; a model is loaded by its first request."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from local.errors import LocalError
from local.sim import ollama_store as store
from local.sim.batch import Batch, Request
from local.sim.engine import ApiError, Engine
from local.sim.flags import CommandLine, release
from local.sim.ollama import address
from local.sim.ollama_api import add_routes
from local.sim.openai import OpenAi
from local.sim.options import SimOptions, options_from_env
from local.sim.server import Program, loopback, start

LINE = CommandLine(program="ollama", usage="ollama serve", style="argparse")
KINDS = {400: "invalid_request_error", 404: "not_found_error"}
"""OpenAI error type by status; others are `api_error` (openai/openai.go)."""


class NoMetrics:
    """Ollama has none."""

    def first_token(self, request: Request) -> None:
        """See batch.Listener."""

    def next_token(self, request: Request, gap_seconds: float) -> None:
        """See batch.Listener."""

    def finished(self, request: Request) -> None:
        """See batch.Listener."""


class Ollama(Engine):
    """Ollama's server. It reads the environment only, and ignores names it does not know."""

    name = "ollama"
    first_chunk_has_role_only = False
    last_chunk_is_empty = True

    def __init__(self, version: str, env: Mapping[str, str], options: SimOptions) -> None:
        self.version, self.options = version, options
        self.root = store.folder(env)
        self.context_length = _count(env, "OLLAMA_CONTEXT_LENGTH", 4096)
        self.most_loaded = _count(env, "OLLAMA_MAX_LOADED_MODELS", 3)
        self.loaded: list[str] = []
        self.prepare = self.load
        self._loading = asyncio.Lock()
        self.batch = Batch(
            options,
            NoMetrics(),
            max_running=_count(env, "OLLAMA_NUM_PARALLEL", 1),
            max_waiting=_count(env, "OLLAMA_MAX_QUEUE", 512),
        )
        self.refresh()

    def refresh(self) -> None:
        """Look up which models are pulled."""
        self.models = store.names(self.root)

    def check_model(self, name: str) -> None:
        """Only pulled models are served."""
        self.refresh()
        if store.full_name(name) not in self.models:
            raise ApiError(404, f"model '{name}' not found", "not_found_error")

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """The error of the OpenAI routes; Ollama's own routes have {"error": text}."""
        kind = KINDS.get(error.status, "api_error")
        return {"error": {"message": error.message, "type": kind, "param": None, "code": None}}

    def overloaded(self) -> ApiError:
        """More requests wait than OLLAMA_MAX_QUEUE."""
        return ApiError(503, "server busy, please try again.  maximum pending requests exceeded", "api_error")

    def budget(self, prompt_tokens: int, wanted: int | None, field: str) -> int | None:
        """Nothing is refused: Ollama cuts the prompt to the context."""
        del prompt_tokens, field
        return wanted

    def job(
        self, model: str, prompt_tokens: int, limit: int | None, *, streamed: bool, tool: str | None
    ) -> Request:
        """As for any engine, with the prompt cut to the context."""
        return super().job(
            model, min(prompt_tokens, self.context_length), limit, streamed=streamed, tool=tool
        )

    async def load(self, name: str) -> None:
        """Load a model unless it is loaded; the one loaded longest ago makes room."""
        name = store.full_name(name)
        async with self._loading:
            if name not in self.loaded:
                self.loaded = self.loaded[-(self.most_loaded - 1) :] if self.most_loaded > 1 else []
                await asyncio.sleep(self.options.load_seconds)
                self.loaded.append(name)

    def unload(self, name: str) -> None:
        """Take a model out of memory."""
        self.loaded = [loaded for loaded in self.loaded if loaded != store.full_name(name)]


def make(argv: Sequence[str], env: Mapping[str, str]) -> Program:
    """Read the environment. Raises LocalError."""
    del argv
    options = options_from_env(env)
    known = release("ollama", options.engine_version)
    host, port = address(env)
    engine, app = Ollama(known.version, env, options), web.Application()
    api = OpenAi(engine)
    api.add_text_routes(app)
    api.add_embeddings(app)
    add_routes(engine, api, app)
    title = f"Ollama {known.version} serving models in {engine.root}"
    return Program(title=title, app=app, host=loopback(host, env), port=port)


def serve() -> None:
    """Run until SIGTERM, which cuts every connection at once."""
    start(LINE, make)


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    """A whole number; 0 and nothing mean Ollama's default."""
    text = env.get(name) or "0"
    if not text.isdigit():
        raise LocalError(f"{name}: {text!r} is not a whole number")
    return int(text) or default
