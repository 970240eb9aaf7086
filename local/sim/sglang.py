"""Simulated `sglang serve`: facts.md §10; metric names and buckets from the 0.5.23 wheel."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from local.sim.batch import Batch
from local.sim.engine import DEFAULT_ANSWER_TOKENS, ApiError, Engine
from local.sim.flags import Arguments, CommandLine, UsageError, parse, release
from local.sim.metrics import CONTENT_TYPE
from local.sim.openai import OpenAi
from local.sim.options import SimOptions, options_from_env
from local.sim.server import Program, loopback, start
from local.sim.sglang_metrics import SglangMetrics

LINE = CommandLine(program="sglang serve", usage="sglang serve [options]", style="argparse")
DEFAULT_CONTEXT_LENGTH = 32768
"""Ours: the real default is the model's own."""
DEFAULT_MAX_RUNNING = 256
"""Ours: the real default follows from the KV cache."""
HEALTH_SECONDS = 1.0
"""/health generates a token and looks for it once a second (http_server.py)."""


class Sglang(Engine):
    """SGLang's OpenAI server."""

    name = "sglang"
    last_chunk_is_empty = True
    chat_id = ""  # a bare identifier

    def __init__(self, version: str, arguments: Arguments, options: SimOptions) -> None:
        model = arguments.text("model-path")
        if model is None:
            raise UsageError("the following arguments are required: --model-path")
        self.version, self.options, self.path = version, options, model
        self.models = arguments.several("served-model-name")[:1] or [model]
        self.context_length = arguments.number("context-length") or DEFAULT_CONTEXT_LENGTH
        self.metrics = SglangMetrics(self.models[0])
        self.batch = Batch(
            options,
            self.metrics,
            max_running=arguments.number("max-running-requests") or DEFAULT_MAX_RUNNING,
            max_waiting=arguments.number("max-queued-requests"),
        )
        self.up = False
        """Warm, and not told to stop."""

    def check_model(self, name: str) -> None:
        """SGLang does not look at the model name of a request."""

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """SGLang's flat error."""
        about = {"message": error.message, "type": error.kind, "param": None, "code": error.status}
        return {"object": "error", **about}

    def budget(self, prompt_tokens: int, wanted: int | None, field: str) -> int | None:
        """Prompt and answer together must fit; nothing is cut."""
        del field
        longest = self.context_length
        if prompt_tokens >= longest:
            text = f"The input ({prompt_tokens} tokens) is longer than the "
            text += f"model's context length ({longest} tokens)."
            raise ApiError(400, text, "BadRequestError")
        if wanted is not None and prompt_tokens + wanted > longest:
            text = f"Requested token count exceeds the model's maximum context length of {longest} tokens. "
            text += (
                f"You requested a total of {prompt_tokens + wanted} tokens: {prompt_tokens} tokens from the "
            )
            text += (
                f"input messages and {wanted} tokens for the completion. Please reduce the number of tokens "
            )
            text += "in the input messages or the completion to fit within the limit."
            raise ApiError(400, text, "BadRequestError")
        left = longest - prompt_tokens
        return left if wanted is None and left < DEFAULT_ANSWER_TOKENS else wanted

    async def warm_up(self) -> None:
        """The server is ready once it has generated a first token for itself."""
        await asyncio.sleep(self.options.ttft_seconds)
        self.up = True

    async def stop(self) -> None:
        """Wait for all requests, new ones as well, without a limit."""
        self.up = False
        await self.batch.drain()
        await asyncio.sleep(0.05)  # lets the last bytes out before connections are closed


def application(engine: Sglang, *, metered: bool, embedding: bool) -> web.Application:
    """The routes. `metered`: --enable-metrics."""
    api, app = OpenAi(engine), web.Application(middlewares=[_counted(engine)])
    if embedding:
        api.add_embeddings(app)
    else:
        api.add_text_routes(app)

    async def ready(_: web.Request) -> web.Response:
        return web.Response(status=200 if engine.up else 503)

    async def health(_: web.Request) -> web.Response:
        if engine.up:
            await asyncio.sleep(HEALTH_SECONDS)
        return web.Response(status=200 if engine.up else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=engine.metrics.text(engine.batch), headers={"Content-Type": CONTENT_TYPE})

    async def models(_: web.Request) -> web.Response:
        more = {"parent": None, "max_model_len": engine.context_length}
        data = [api.model(name, root=name, **more) for name in engine.models]
        return web.json_response({"object": "list", "data": data})

    async def model_info(_: web.Request) -> web.Response:
        return web.json_response({"model_path": engine.path, "is_generation": not embedding})

    for path in ("/health", "/health_generate"):
        app.router.add_get(path, health)
    for path in ("/model_info", "/get_model_info"):
        app.router.add_get(path, model_info)
    app.router.add_get("/ready", ready)
    app.router.add_get("/v1/models", models)
    if metered:
        app.router.add_get("/metrics", metrics)
    return app


def _counted(engine: Sglang) -> Any:
    """Count HTTP requests and answers, and word a 404 as FastAPI does."""

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        known = request.match_info.route.resource
        path = request.path if known is None else known.canonical
        engine.metrics.http_request(request.method, path)
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"detail": error.reason}, status=error.status)
        engine.metrics.http_response(request.method, path, response.status)
        return response

    return count


def make(argv: Sequence[str], env: Mapping[str, str]) -> Program:
    """Read the command line, with or without `serve`. Raises UsageError or LocalError."""
    options = options_from_env(env)
    known = release("sglang", options.engine_version)
    arguments = parse(LINE, known, argv[1:] if argv[:1] == ["serve"] else argv)
    host = loopback(arguments.text("host") or "127.0.0.1", env)
    port = arguments.number("port") or 30000
    engine = Sglang(known.version, arguments, options)
    app = application(engine, metered=arguments.on("enable-metrics"), embedding=arguments.on("is-embedding"))
    return Program(
        title=f"SGLang {known.version} serving {engine.models[0]}",
        app=app,
        host=host,
        port=port,
        load=lambda: asyncio.sleep(options.load_seconds),
        warm_up=engine.warm_up,
        stop=engine.stop,
    )


if __name__ == "__main__":
    start(LINE, make)
