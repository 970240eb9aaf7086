"""One chat through the gateway as a client sends it, and what to paste to send another."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from local.errors import LocalError
from local.layout import Layout

QUESTION = "Say hello."
TIMEOUT_SECONDS = 30
RETRY_SECONDS = 0.3
SHOWN_TOKENS = 8


@dataclass(frozen=True)
class Client:
    """Who asks, and what for."""

    tenant: str
    key_file: Path
    model: str


@dataclass(frozen=True)
class Answer:
    """A streamed answer."""

    tokens: list[str]
    first_token_seconds: float
    first_token_at: float
    """By time.monotonic()."""
    total_seconds: float
    finish_reason: str | None
    version: str | None
    """Backend that answered, as the gateway names it."""


def choose_client(layout: Layout, settings: Mapping[str, Any]) -> Client | None:
    """Return the first tenant that may use a model of ours, with that model; None if there is none. Pure."""
    served = [name for name, model in settings["models"].items() if "versions" in model]
    for tenant, allowed in settings["tenants"].items():
        for model in (allowed or {}).get("models", served):
            if model in served:
                return Client(tenant, layout.keys / tenant, model)
    return None


def send(url: str, client: Client) -> Answer:
    """Stream one chat; raise LocalError if the gateway does not answer it whole.

    A connection that is refused is tried again for a while: endpoints reach the fixed port a second late.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return _send(url, client)
        except requests.ConnectionError as problem:
            if time.monotonic() > deadline:
                raise LocalError(f"the gateway at {url} does not answer: {problem}") from None
            time.sleep(RETRY_SECONDS)
        except requests.RequestException as problem:
            raise LocalError(f"the chat through {url} failed: {problem}") from None


def _send(url: str, client: Client) -> Answer:
    started = time.monotonic()
    key = client.key_file.read_text(encoding="utf-8").strip()
    with requests.post(
        f"{url}/v1/chat/completions",
        json=_body(client),
        headers={"Authorization": f"Bearer {key}"},
        stream=True,
        timeout=TIMEOUT_SECONDS,
    ) as response:
        if response.status_code != requests.codes.ok:
            raise LocalError(f"the gateway answered {response.status_code}: {response.text[:500]}")
        tokens, first, finish = [], 0.0, None
        for choice in _choices(response):
            finish = choice.get("finish_reason") or finish
            if text := choice["delta"].get("content"):
                first = first or time.monotonic() - started
                tokens.append(text)
        version = response.headers.get("x-litellm-model-id")
    if not tokens or finish is None:
        raise LocalError(f"the chat was cut short after {len(tokens)} tokens")
    return Answer(tokens, first, started + first, time.monotonic() - started, finish, version)


def _choices(response: requests.Response) -> Iterator[Mapping[str, Any]]:
    """Yield the choice of each event; raise LocalError for an error event."""
    for line in response.iter_lines():
        data = line.decode().removeprefix("data: ")
        if not line.startswith(b"data: ") or data == "[DONE]":
            continue
        event = json.loads(data)
        if "error" in event:
            raise LocalError(f"the gateway broke the stream off: {event['error']}")
        yield from event["choices"]


def show(answer: Answer, client: Client, url: str, console: Console) -> None:
    """Print the beginning of the answer, its times, and how to ask again; no key is printed."""
    lines = [
        f"asked: {client.model!r} as tenant {client.tenant!r}: {QUESTION}",
        f"  {''.join(answer.tokens[:SHOWN_TOKENS])} ... ({len(answer.tokens)} tokens)",
        f"  first token after {answer.first_token_seconds:.2f} s, all after {answer.total_seconds:.2f} s"
        + (f", answered by {answer.version}" if answer.version else ""),
        "",
        "ask again:",
        f"curl -N {url}/v1/chat/completions \\",
        f'  -H "Authorization: Bearer $(cat {client.key_file})" -H "Content-Type: application/json" \\',
        f"  -d '{json.dumps(_body(client))}'",
        "",
        "or with OpenAI's SDK (pip install openai):",
        "from openai import OpenAI",
        f'client = OpenAI(base_url="{url}/v1", api_key=open("{client.key_file}").read().strip())',
        f'question = [{{"role": "user", "content": "{QUESTION}"}}]',
        f'stream = client.chat.completions.create(model="{client.model}", messages=question, stream=True)',
        "for chunk in stream:",
        '    print(chunk.choices[0].delta.content or "", end="", flush=True)',
        "",
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _body(client: Client) -> dict[str, Any]:
    return {
        "model": client.model,
        "stream": True,
        "max_tokens": 32,
        "messages": [{"role": "user", "content": QUESTION}],
    }
