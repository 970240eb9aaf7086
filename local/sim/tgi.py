"""Simulated text-generation-launcher: facts.md §8; formats and metric buckets from the router's source."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from local.sim.batch import Batch, Request
from local.sim.engine import DEFAULT_ANSWER_TOKENS, ApiError, Engine, event, event_stream, guarded, json_body
from local.sim.flags import Arguments, CommandLine, UsageError, parse, release
from local.sim.metrics import CONTENT_TYPE
from local.sim.openai import OpenAi
from local.sim.options import SimOptions, options_from_env
from local.sim.server import Program, loopback, start
from local.sim.tgi_metrics import TgiMetrics

LINE = CommandLine(
    program="text-generation-launcher", usage="text-generation-launcher [OPTIONS]", style="clap"
)
DEFAULT_TOTAL_TOKENS = 4096
"""Ours: the real default depends on the model and the GPU."""
DEFAULT_NEW_TOKENS = 100
"""/generate without max_new_tokens."""


class Tgi(Engine):
    """TGI's router. It does not look at the model name of a request."""

    name = "tgi"
    first_chunk_has_role_only = False
    chat_id = ""

    def __init__(self, version: str, arguments: Arguments, options: SimOptions) -> None:
        self.version, self.options = version, options
        self.models = [arguments.text("model-id") or "bigscience/bloom-560m"]
        self.max_total = arguments.number("max-total-tokens") or DEFAULT_TOTAL_TOKENS
        longest = arguments.number("max-input-tokens") or arguments.number("max-input-length")
        self.max_input = longest or self.max_total - 1
        if self.max_input >= self.max_total:
            raise UsageError("`max_input_tokens` must be < `max_total_tokens`")
        self.max_concurrent = arguments.number("max-concurrent-requests") or 128
        self.metrics = TgiMetrics(self.max_input, self.max_total)
        self.batch = Batch(
            options,
            self.metrics,
            max_running=arguments.number("max-batch-size") or self.max_concurrent,
            max_unfinished=self.max_concurrent,
        )
        self.drain_seconds = arguments.number("graceful-termination-timeout") or 90

    def check_model(self, name: str) -> None:
        """Any name will do."""

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """TGI's flat error."""
        return {"error": error.message, "error_type": error.kind}

    def overloaded(self) -> ApiError:
        """More requests than max-concurrent-requests."""
        self.metrics.failed("overloaded")
        return ApiError(429, "Model is overloaded", "overloaded")

    def budget(self, prompt_tokens: int, wanted: int | None, field: str) -> int | None:
        """Prompt and answer are bounded apart and together; nothing is cut."""
        del field
        if prompt_tokens > self.max_input:
            text = f"`inputs` must have less than {self.max_input} tokens. Given: {prompt_tokens}"
        elif wanted is not None and prompt_tokens + wanted > self.max_total:
            text = f"`inputs` tokens + `max_new_tokens` must be <= {self.max_total}. "
            text += f"Given: {prompt_tokens} `inputs` tokens and {wanted} `max_new_tokens`"
        else:
            left = self.max_total - prompt_tokens
            return left if wanted is None and left < DEFAULT_ANSWER_TOKENS else wanted
        self.metrics.failed("validation")
        raise ApiError(422, f"Input validation error: {text}", "validation")


class Generate:
    """TGI's own routes."""

    def __init__(self, engine: Tgi) -> None:
        self._engine = engine

    async def either(self, request: web.Request) -> web.StreamResponse:
        """POST /: stream or not, as the body says."""
        body = await json_body(request, "validation")
        return await (self.stream(request) if body.get("stream") else self.whole(request))

    async def whole(self, request: web.Request) -> web.StreamResponse:
        """POST /generate."""
        job, details = await self._job(request, streamed=False)
        text = await self._engine.whole(job)
        answer: dict[str, Any] = {"generated_text": text}
        if details:
            tokens = [_token(number, word) for number, word in enumerate(job.words[: job.generated])]
            answer["details"] = {**_details(job), "prefill": [], "tokens": tokens}
            del answer["details"]["input_length"]
        return web.json_response(answer)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """POST /generate_stream: an event per token, the last with the whole text."""
        job, _ = await self._job(request, streamed=True)
        response = await event_stream(request)
        async with contextlib.aclosing(self._engine.batch.tokens(job)) as tokens:
            async for word in tokens:
                last = bool(job.finish_reason)
                data = {
                    "index": job.generated,
                    "token": _token(job.generated - 1, word),
                    "generated_text": "".join(job.words) if last else None,
                    "details": _details(job) if last else None,
                }
                await response.write(event(data))
        await response.write_eof()
        return response

    async def _job(self, request: web.Request, *, streamed: bool) -> tuple[Request, bool]:
        body = await json_body(request, "validation")
        inputs, parameters = body.get("inputs"), body.get("parameters") or {}
        if not isinstance(inputs, str) or not isinstance(parameters, dict):
            raise ApiError(422, "Input validation error: `inputs` is required", "validation")
        prompt, wanted = len(inputs.split()), parameters.get("max_new_tokens", DEFAULT_NEW_TOKENS)
        if not isinstance(wanted, int) or wanted < 1:
            text = "Input validation error: `max_new_tokens` must be strictly positive"
            raise ApiError(422, text, "validation")
        limit = self._engine.budget(prompt, wanted, "max_new_tokens")
        job = self._engine.job(self._engine.models[0], prompt, limit, streamed=streamed, tool=None)
        return job, bool(parameters.get("details"))


def _token(number: int, word: str) -> dict[str, Any]:
    return {"id": number, "text": word, "logprob": 0.0, "special": False}


def _details(job: Request) -> dict[str, Any]:
    reason = "eos_token" if job.finish_reason == "stop" else job.finish_reason
    counts = {"generated_tokens": job.generated, "input_length": job.prompt_tokens}
    return {"finish_reason": reason, **counts, "seed": None}


def application(engine: Tgi) -> web.Application:
    """The routes."""
    api, own, app = OpenAi(engine), Generate(engine), web.Application()
    api.add_text_routes(app)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    async def info(_: web.Request) -> web.Response:
        about = {
            "model_id": engine.models[0],
            "model_sha": None,
            "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": engine.max_concurrent,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": engine.max_input,
            "max_total_tokens": engine.max_total,
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "router": "text-generation-router",
            "version": engine.version,
            "sha": engine.fingerprint,
            "docker_label": None,
        }
        return web.json_response(about)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=engine.metrics.text(engine.batch), headers={"Content-Type": CONTENT_TYPE})

    async def models(_: web.Request) -> web.Response:
        data = [api.model(name, owned_by=name) for name in engine.models]
        return web.json_response({"object": "list", "data": data})

    for path in ("/", "/health", "/ping"):
        app.router.add_get(path, healthy)
    for path, handler in (("/info", info), ("/metrics", metrics), ("/v1/models", models)):
        app.router.add_get(path, handler)
    app.router.add_post("/", guarded(engine.error_body, own.either))
    app.router.add_post("/generate", guarded(engine.error_body, own.whole))
    app.router.add_post("/generate_stream", guarded(engine.error_body, own.stream))
    return app


def make(argv: Sequence[str], env: Mapping[str, str]) -> Program:
    """Read the command line; HOSTNAME and PORT stand in for absent flags. Raises UsageError or LocalError."""
    options = options_from_env(env)
    known = release("tgi", options.engine_version)
    arguments = parse(LINE, known, argv)
    host = loopback(arguments.text("hostname") or env.get("HOSTNAME", "0.0.0.0"), env)  # noqa: S104 - replaced
    port = arguments.number("port") or int(env.get("PORT", "3000"))
    engine = Tgi(known.version, arguments, options)
    return Program(
        title=f"TGI {known.version} serving {engine.models[0]}",
        app=application(engine),
        host=host,
        port=port,
        load=lambda: asyncio.sleep(options.load_seconds),
        finish_seconds=engine.drain_seconds,
    )


if __name__ == "__main__":
    start(LINE, make)
