"""Simulated `trtllm-serve`: facts.md §10. Error texts and shutdown are not checked against the real one."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from local.errors import LocalError
from local.sim.batch import Batch, Request
from local.sim.engine import DEFAULT_ANSWER_TOKENS, ApiError, Engine
from local.sim.flags import Arguments, CommandLine, UsageError, parse, release
from local.sim.metrics import CONTENT_TYPE, Registry
from local.sim.openai import OpenAi
from local.sim.options import SimOptions, options_from_env
from local.sim.server import Program, loopback, start
from local.sim.vllm_metrics import FIRST_TOKEN, LATENCY, TOKEN_GAP

LINE = CommandLine(
    program="trtllm-serve", usage="trtllm-serve [OPTIONS] MODEL", style="click", positional="MODEL"
)
DEFAULT_MAX_SEQ_LEN = 32768
DEFAULT_MAX_BATCH_SIZE = 2048


class TrtMetrics:
    """A batch's listener. Histograms have vLLM's buckets, from which the real ones were made (UNVERIFIED)."""

    def __init__(self, model: str) -> None:
        self._registry = registry = Registry()
        self._own = own = {"model_name": model, "engine_type": "pytorch"}
        self._kv = registry.gauge("trtllm_kv_cache_utilization", "KV cache in use, 0-1.").labels(**own)
        self._success = registry.counter("trtllm_request_success_total", "Finished requests.")

        def seconds(name: str, buckets: tuple[float, ...]) -> Any:
            return registry.histogram(f"trtllm_{name}_seconds", "Seconds.", buckets).labels(**own)

        self._ttft = seconds("time_to_first_token", FIRST_TOKEN)
        self._tpot = seconds("time_per_output_token", TOKEN_GAP)
        self._e2e = seconds("e2e_request_latency", LATENCY)
        self._queue = seconds("request_queue_time", LATENCY)

    def first_token(self, request: Request) -> None:
        """See batch.Listener."""
        self._ttft.observe(request.first_token - request.arrived)
        self._queue.observe(request.started - request.arrived)

    def next_token(self, request: Request, gap_seconds: float) -> None:
        """See batch.Listener. It measures requests only."""

    def finished(self, request: Request) -> None:
        """See batch.Listener."""
        if request.finish_reason in ("abort", "error"):
            return
        self._success.labels(**self._own, finished_reason=request.finish_reason).inc()
        self._e2e.observe(request.finished - request.arrived)
        if request.generated > 1:
            self._tpot.observe((request.last_token - request.first_token) / (request.generated - 1))

    def text(self, batch: Batch) -> str:
        """What a scrape gets."""
        self._kv.set(batch.kv_usage)
        return self._registry.text()


class TensorrtLlm(Engine):
    """TensorRT-LLM's OpenAI server."""

    name = "tensorrt-llm"

    def __init__(self, version: str, arguments: Arguments, options: SimOptions) -> None:
        model = arguments.text("MODEL")
        if model is None:
            raise UsageError("Missing argument 'MODEL'.")
        self.version, self.options, self.models = version, options, [model]
        self.longest = arguments.number("max_seq_len") or DEFAULT_MAX_SEQ_LEN
        self.metrics = TrtMetrics(model)
        slots = arguments.number("max_batch_size") or DEFAULT_MAX_BATCH_SIZE
        self.batch = Batch(options, self.metrics, max_running=slots)

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """A flat error."""
        about = {"message": error.message, "type": error.kind, "param": None, "code": error.status}
        return {"object": "error", **about}

    def budget(self, prompt_tokens: int, wanted: int | None, field: str) -> int | None:
        """Prompt and answer together must fit."""
        if prompt_tokens + (wanted or 1) > self.longest:
            text = f"prompt length ({prompt_tokens}) plus {field} ({wanted or 1}) exceeds max_seq_len"
            raise ApiError(400, f"{text} ({self.longest})", "BadRequestError")
        left = self.longest - prompt_tokens
        return left if wanted is None and left < DEFAULT_ANSWER_TOKENS else wanted


def application(engine: TensorrtLlm, config: Mapping[str, Any]) -> web.Application:
    """The routes; both metrics paths need their key in the config file."""
    api, app = OpenAi(engine), web.Application()
    api.add_text_routes(app)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response()

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": engine.version})

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [api.model(name) for name in engine.models]})

    async def iterations(_: web.Request) -> web.Response:
        if not config.get("enable_iter_perf_stats"):
            return web.json_response([])
        return web.json_response([{"numActiveRequests": engine.batch.running}])

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=engine.metrics.text(engine.batch), headers={"Content-Type": CONTENT_TYPE})

    for path, handler in (
        ("/health", healthy),
        ("/version", version),
        ("/v1/models", models),
        ("/metrics", iterations),
    ):
        app.router.add_get(path, handler)
    if config.get("return_perf_metrics"):
        app.router.add_get("/prometheus/metrics", metrics)
    return app


def make(argv: Sequence[str], env: Mapping[str, str]) -> Program:
    """Read the command line and the config file. Raises UsageError or LocalError."""
    options = options_from_env(env)
    known = release("tensorrt_llm", options.engine_version)
    arguments = parse(LINE, known, argv)
    engine = TensorrtLlm(known.version, arguments, options)
    return Program(
        title=f"TensorRT-LLM {known.version} serving {engine.models[0]}",
        app=application(engine, _config(arguments.text("config"))),
        host=loopback(arguments.text("host") or "localhost", env),
        port=arguments.number("port") or 8000,
        load=lambda: asyncio.sleep(options.load_seconds),
        finish_seconds=24 * 3600,  # uvicorn waits for open requests without a limit
    )


def _config(path: str | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        data = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, yaml.YAMLError) as problem:
        raise LocalError(f"--config: {problem}") from None
    if not isinstance(data, dict):
        raise LocalError(f"--config: {path} is no mapping")
    return data


if __name__ == "__main__":
    start(LINE, make)
