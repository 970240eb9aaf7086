"""Simulated `vllm serve`: facts.md §7; metric names and buckets from the 0.33.0 wheel."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from local.sim import vllm_metrics
from local.sim.batch import Batch
from local.sim.engine import DEFAULT_ANSWER_TOKENS, ApiError, Engine, guarded, json_body
from local.sim.flags import Arguments, CommandLine, UsageError, parse, release
from local.sim.metrics import CONTENT_TYPE
from local.sim.openai import OpenAi
from local.sim.options import SimOptions, options_from_env
from local.sim.server import Program, loopback, start

LINE = CommandLine(
    program="vllm", usage="vllm serve [model_tag] [options]", style="argparse", positional="model_tag"
)
DEFAULT_MAX_MODEL_LEN = 32768
"""Ours: the real default is the model's own."""
DEFAULT_MAX_NUM_SEQS = 256
"""vLLM's for GPUs below 70 GiB."""
NOT_COUNTED = ("/metrics", "/health", "/load", "/ping", "/version", "/server_info")
"""Paths vLLM leaves out of http_requests_total."""


class Vllm(Engine):
    """vLLM's OpenAI server."""

    name = "vllm"

    def __init__(self, version: str, arguments: Arguments, options: SimOptions) -> None:
        model = arguments.text("model") or arguments.text("model_tag")
        if model is None:
            raise UsageError("the following arguments are required: model_tag")
        self.version, self.options, self.root = version, options, model
        self.models = arguments.several("served-model-name") or [model]
        length = arguments.text("max-model-len")
        given = None if length in ("auto", "-1") else arguments.number("max-model-len")
        self.max_model_len = given or DEFAULT_MAX_MODEL_LEN
        self.auto_tools = (
            arguments.on("enable-auto-tool-choice") and arguments.text("tool-call-parser") is not None
        )
        self.metrics = vllm_metrics.VllmMetrics(self.models[0], self.max_model_len)
        self.batch = Batch(
            options,
            self.metrics,
            max_running=arguments.number("max-num-seqs") or DEFAULT_MAX_NUM_SEQS,
            max_unfinished=arguments.number("max-num-queued-reqs"),
        )
        self.drain_seconds = arguments.number("shutdown-timeout") or 0

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """OpenAI's error object with the status in `code`."""
        return {"error": {"message": error.message, "type": error.kind, "param": None, "code": error.status}}

    def overloaded(self) -> ApiError:
        """What --max-num-queued-reqs leads to."""
        self.metrics.rejected("max_num_queued_reqs")
        text = "The engine is currently busy and cannot accept new requests. "
        text += "Please try again later or on a different instance."
        return ApiError(503, text, "ServiceUnavailableError")

    def budget(self, prompt_tokens: int, wanted: int | None, field: str) -> int | None:
        """Prompt and answer share max_model_len; the answer is cut to what is left."""
        longest = self.max_model_len
        if wanted is not None and wanted > longest:
            text = f"{field}={wanted} cannot be greater than max_model_len={longest}. "
            raise ApiError(400, f"{text}Please request fewer output tokens.", "BadRequestError")
        if prompt_tokens > longest:  # the tokenizer stops one past the limit: the true count is not known
            text = f"This model's maximum context length is {longest} tokens. However, your prompt contains "
            text += f"at least {longest + 1} input tokens, which exceeds this limit even without any output "
            text += "tokens. Please reduce the length of the input prompt."
            raise ApiError(400, text, "BadRequestError")
        left = longest - prompt_tokens
        if wanted is None:
            return None if left >= DEFAULT_ANSWER_TOKENS else left
        return min(wanted, left)

    async def stop(self) -> None:
        """Drain up to --shutdown-timeout; with 0, the default, end all requests at once as `abort`."""
        self.batch.rejecting = True
        if self.drain_seconds:
            await self.batch.drain(self.drain_seconds)
        else:
            self.batch.abort_all()
            await self.batch.drain(1)
        await asyncio.sleep(0.05)  # lets the last bytes of finished answers out before connections are closed


def application(engine: Vllm, *, pooling: bool) -> web.Application:
    """The routes. Health stays 200 while draining."""
    api, app = OpenAi(engine), web.Application(middlewares=[_counted(engine)])
    if pooling:
        api.add_embeddings(app)
    else:
        api.add_text_routes(app)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": engine.version})

    async def load(_: web.Request) -> web.Response:
        return web.json_response({"server_load": engine.batch.running + engine.batch.waiting})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=engine.metrics.text(engine.batch), headers={"Content-Type": CONTENT_TYPE})

    async def models(_: web.Request) -> web.Response:
        more = {"root": engine.root, "parent": None, "max_model_len": engine.max_model_len}
        return web.json_response(
            {"object": "list", "data": [api.model(name, **more) for name in engine.models]}
        )

    async def tokenize(request: web.Request) -> web.StreamResponse:
        words = str((await json_body(request)).get("prompt", "")).split()
        tokens = list(range(len(words)))
        return web.json_response(
            {"count": len(words), "max_model_len": engine.max_model_len, "tokens": tokens}
        )

    for path, handler in (("/health", healthy), ("/ping", healthy), ("/version", version), ("/load", load)):
        app.router.add_get(path, handler)
    app.router.add_post("/ping", healthy)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/models", models)
    app.router.add_post("/tokenize", guarded(engine.error_body, tokenize))
    return app


def _counted(engine: Vllm) -> Any:
    """Count HTTP answers as prometheus-fastapi-instrumentator does, and word a 404 as FastAPI does."""

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        begun = time.monotonic()
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"detail": error.reason}, status=error.status)
        if request.path not in NOT_COUNTED:
            known = request.match_info.route.resource
            path = "none" if known is None else known.canonical
            engine.metrics.http(request.method, path, response.status, time.monotonic() - begun)
        return response

    return count


def make(argv: Sequence[str], env: Mapping[str, str]) -> Program:
    """Read the command line. Raises UsageError or LocalError."""
    options = options_from_env(env)
    known = release("vllm", options.engine_version)
    arguments = parse(LINE, known, argv[1:] if argv[:1] == ["serve"] else argv)
    host = loopback(arguments.text("host") or "", env)
    port = arguments.number("port") or 8000
    engine = Vllm(known.version, arguments, options)
    pooling = arguments.text("runner") == "pooling" or arguments.text("convert") == "embed"
    return Program(
        title=f"vLLM {known.version} serving {', '.join(engine.models)}",
        app=application(engine, pooling=pooling),
        host=host,
        port=port,
        load=lambda: asyncio.sleep(options.load_seconds),
        stop=engine.stop,
    )


if __name__ == "__main__":
    start(LINE, make)
