"""The real LiteLLM as the renderer configures it, alone, before backends that do as a test says.

The backends are stand-ins: they speak OpenAI's API and vLLM's words for errors, and no model runs.
"""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml
from aiohttp import web
from rich.console import Console

from components.gateway import litellm
from components.gateway.keys import keys_document
from components.gateway.manifests import SCRIPTS
from components.gateway.model import Backend, GatewayModel, GatewaySpec
from local import litellm_environment, ports
from local.layout import find
from tests.stack_files import ROOT
from tests.unit import gateway_examples

START_SECONDS = 90
MASTER_KEY = "sk-master-of-this-test"
TOKENS = 5
SLOW_SECONDS = 3
FLAGGED = "assault"
"""What the stand-in of a moderation service flags."""


class Upstreams:
    """Backends by name, each at a path of one server: `http://127.0.0.1:PORT/NAME/v1`."""

    def __init__(self) -> None:
        self.behaviour: dict[str, str] = {}
        """ok (default), a status, `slow`, `hang`, `too_long`, `cut`, or `says WORDS`."""
        self.asked: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        """Of the last request, by lower-case name."""
        self.port = next(port for port in range(21000, 22000) if ports.is_free(port))
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> "Upstreams":
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def backend(self, name: str, weight: int = 100, kind: Any = "vllm", **fields: Any) -> Backend:
        url = f"http://127.0.0.1:{self.port}/{name}/v1"
        return Backend(id=name, kind=kind, base_url=url, model="served", weight=weight, **fields)

    def reset(self) -> None:
        self.behaviour.clear()
        self.asked.clear()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/judge/v1/moderations", self._judge)
        app.router.add_post("/{name}/v1/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._started.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _judge(self, request: web.Request) -> web.StreamResponse:
        """OpenAI's moderation API: flags texts with FLAGGED in them."""
        self.asked["judge"] += 1
        if self.behaviour.get("judge") == "hang":
            await asyncio.sleep(600)
        flagged = FLAGGED in (await request.json())["input"]
        result = {
            "flagged": flagged,
            "categories": {"violence": flagged},
            "category_scores": {"violence": 0.9},
        }
        result["category_applied_input_types"] = {"violence": ["text"]}
        return web.json_response({"id": "m", "model": "omni-moderation-latest", "results": [result]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked[name] += 1
        self.headers[name] = {key.lower(): value for key, value in request.headers.items()}
        body = await request.json()
        behaviour = self.behaviour.get(name, "ok")
        if behaviour == "hang":
            await asyncio.sleep(600)
        if behaviour == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if behaviour == "too_long":
            text = "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."
            return web.json_response({"error": {"message": text, "code": 400}}, status=400)
        if behaviour.isdigit():
            return web.json_response({"error": {"message": "busy"}}, status=int(behaviour))
        if not body.get("stream"):
            words = behaviour.removeprefix("says ") if behaviour.startswith("says ") else f"from {name}"
            message = {"role": "assistant", "content": words}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 3, "completion_tokens": TOKENS, "total_tokens": 3 + TOKENS}
            return web.json_response({**_head("chat.completion"), "choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        words = behaviour.split()[1:] if behaviour.startswith("says ") else [str(n) for n in range(TOKENS)]
        for number, word in enumerate(words):
            if behaviour == "cut" and number == 2:
                assert request.transport
                request.transport.abort()
                return response
            delta = {"content": f"{word} "}
            event = {**_head("chat.completion.chunk"), "choices": [{"index": 0, "delta": delta}]}
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await response.write(
            f"data: {json.dumps({**_head('chat.completion.chunk'), 'choices': [last]})}\n\n".encode()
        )
        await response.write(b"data: [DONE]\n\n")
        return response


def _head(kind: str) -> dict[str, Any]:
    return {"id": "x", "object": kind, "created": 1, "model": "served"}


class Gateway:
    """One LiteLLM process."""

    def __init__(self, folder: Path, model: GatewayModel, keys: dict[str, str]) -> None:
        self.folder, self.model, self.keys = folder, model, keys
        self.spec: GatewaySpec = gateway_examples.spec(model=model)
        self.port = next(port for port in range(22000, 23000) if ports.is_free(port))
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "gateway.log"
        self.secrets: dict[str, str] = {}
        """Further environment."""
        self.core: int | None = None
        """The one it is held to; None = any."""

    def write_keys(self, keys: dict[str, str]) -> None:
        """Put the keys document in place in one step, as the kubelet does."""
        self.keys = keys
        new = self.folder / "keys.new"
        new.write_text(keys_document(self.model, keys), encoding="utf-8")
        new.replace(self.folder / litellm.KEYS_FILE)

    @contextmanager
    def running(self) -> Iterator["Gateway"]:
        layout = find(ROOT)
        assert layout
        litellm_environment.install(layout, Console())
        config = yaml.safe_dump(litellm.render(self.model), sort_keys=False)
        (self.folder / "config.yaml").write_text(config, encoding="utf-8")
        for name in SCRIPTS:
            source = Path(litellm.__file__).with_name(name)
            (self.folder / name).write_text(source.read_text("utf-8"), encoding="utf-8")
        (self.folder / "metrics").mkdir()
        self.write_keys(self.keys)
        environment = litellm.environment(self.spec) | {
            "LITELLM_MASTER_KEY": MASTER_KEY,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.folder),
            "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics"),
            "TENANT_KEYS_FILE": str(self.folder / litellm.KEYS_FILE),
            "TMPDIR": str(self.folder),
            **self.secrets,
        }
        command = [str(layout.litellm / "bin" / "python"), str(ROOT / "local" / "litellm_start.py")]
        command += ["--config", str(self.folder / "config.yaml")]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        if self.core is not None:
            command = ["taskset", "--cpu-list", str(self.core), *command]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def chat(self, model: str, tenant: str = "search", **more: Any) -> requests.Response:
        """One chat; the whole answer is read, also of a stream."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
        return self.post(body, self.keys[tenant])

    def told(self) -> list[dict[str, Any]]:
        """Lines of the request log so far."""
        lines = self.log.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"event"')]

    def post(self, body: Any, key: str, path: str = "/v1/chat/completions") -> requests.Response:
        return requests.post(
            f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, self.log.read_text("utf-8")[-3000:]
            assert time.monotonic() < until, self.log.read_text("utf-8")[-3000:]
            try:
                if requests.get(f"{self.url}/health/readiness", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.3)
