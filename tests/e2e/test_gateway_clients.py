"""What clients see through the real LiteLLM before simulated engines: one format, and OpenAI's own SDK works.

Proves formats and routes as the simulators have them from the engines' sources. Does not prove a model.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import pytest
import requests

from components.gateway.model import Backend, Route
from local.layout import find
from tests.e2e.gateway_process import Gateway
from tests.e2e.test_sim_start import Sim
from tests.stack_files import ROOT
from tests.unit import gateway_examples

ROUTES = ("vllm", "tgi", "ollama", "external")
SDK = """
import json, os, openai
client = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key=os.environ["KEY"], max_retries=0)
question = [{"role": "user", "content": "hello"}]
found = {}
for model in MODELS:
    answer = client.chat.completions.create(model=model, messages=question, max_tokens=8)
    chunks = list(client.chat.completions.create(
        model=model, messages=question, max_tokens=8, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    found[model] = {"chat": answer.choices[0].message.content, "streamed": text,
                    "usage": chunks[-1].usage.completion_tokens}
tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
called = client.chat.completions.create(model="vllm", messages=question, tools=[tool], tool_choice={
    "type": "function", "function": {"name": "look"}})
found["tool"] = called.choices[0].message.tool_calls[0].function.name
found["completion"] = client.completions.create(model="vllm", prompt="hello", max_tokens=8).choices[0].text
found["embedding"] = len(client.embeddings.create(model="ollama", input="hello").data[0].embedding)
found["models"] = sorted(model.id for model in client.models.list())
errors = {}
for name, call in {
    "AuthenticationError": lambda: openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key="sk-no",
        max_retries=0).chat.completions.create(model="vllm", messages=question),
    "BadRequestError": lambda: client.chat.completions.create(model="vllm", messages=[]),
}.items():
    try:
        call()
    except openai.APIStatusError as problem:
        errors[name] = [type(problem).__name__, problem.status_code]
found["errors"] = errors
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with ExitStack() as stack:
        tools = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
        sims = {
            "vllm": stack.enter_context(Sim("vllm", *tools)),
            "tgi": stack.enter_context(Sim("tgi")),
            "external": stack.enter_context(Sim("vllm")),
            "ollama": stack.enter_context(
                Sim("ollama", env={"OLLAMA_MODELS": str(tmp_path_factory.mktemp("ollama"))})
            ),
        }
        sims["ollama"].post("/api/pull", {"model": "chat"})
        kinds: dict[str, Any] = {"vllm": "vllm", "tgi": "tgi", "ollama": "ollama", "external": "openai"}
        routes = tuple(
            Route(
                name=name,
                backends=(
                    Backend(id=f"{name}-1", kind=kinds[name], base_url=sim.url, model="chat", weight=100),
                ),
            )
            for name, sim in sims.items()
        )
        model = gateway_examples.model(
            routes=routes,
            tenants=(gateway_examples.tenant("search", models=ROUTES, requests_per_minute=None),),
            redis=None,
        )
        made = Gateway(
            tmp_path_factory.mktemp("gateway"), model, {"search": "sk-search-of-this-test-32-chars"}
        )
        yield stack.enter_context(made.running())


def grammar(answer: requests.Response) -> str:
    """One letter an event: r role alone, c content, f finish, u usage, D [DONE]; repeated c are one."""
    letters = []
    for line in answer.text.splitlines():
        if not line:
            continue
        assert line.startswith("data: "), line
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            letters.append("D")
            continue
        event = json.loads(data)
        assert event["object"] == "chat.completion.chunk"
        assert {"id", "created", "model", "choices"} <= set(event)
        if event.get("usage"):
            letters.append("u")
            continue
        (choice,) = event["choices"]
        if choice.get("finish_reason"):
            letters.append("f")
        elif choice["delta"].get("content"):
            letters.append("c")
        else:
            letters.append("r")
    return re.sub("c+", "c", "".join(letters))


def test_streams_of_every_engine_and_provider_have_one_grammar(gateway: Gateway) -> None:
    """Clients take the role alone or with the first words; engines differ in that, and in no more."""
    asked = {"stream": True, "max_tokens": 8, "stream_options": {"include_usage": True}}
    answers = {name: gateway.chat(name, **asked) for name in ROUTES}
    seen = {name: grammar(answer) for name, answer in answers.items()}
    print(seen)
    assert {letters.removeprefix("r") for letters in seen.values()} == {"cfuD"}, seen
    for answer in answers.values():
        first = json.loads(answer.text.splitlines()[0].removeprefix("data: "))
        assert first["choices"][0]["delta"]["role"] == "assistant"


def test_openais_sdk_does_all_of_it_through_the_gateway(gateway: Gateway) -> None:
    layout = find(ROOT)
    assert layout
    code = SDK.replace("MODELS", repr(ROUTES))
    done = subprocess.run(
        [layout.litellm / "bin" / "python", "-c", code],
        env={"URL": gateway.url, "KEY": gateway.keys["search"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    for name in ROUTES:
        assert found[name]["chat"].startswith("[simulated]")
        assert found[name]["streamed"].startswith("[simulated]")
        assert found[name]["usage"] == 8
    assert found["tool"] == "look"
    assert found["completion"].startswith("[simulated]")
    assert found["embedding"] > 0
    assert set(ROUTES) <= set(found["models"])
    assert found["errors"] == {
        "AuthenticationError": ["AuthenticationError", 401],
        "BadRequestError": ["BadRequestError", 400],
    }


def test_curl_as_it_is_pasted_streams(gateway: Gateway) -> None:
    body = json.dumps({"model": "vllm", "stream": True, "messages": [{"role": "user", "content": "hello"}]})
    command = (
        f"curl -sN {gateway.url}/v1/chat/completions -H 'Authorization: Bearer {gateway.keys['search']}'"
    )
    command += f" -H 'Content-Type: application/json' -d '{body}'"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip().endswith("data: [DONE]")


def test_a_request_id_reaches_the_client(gateway: Gateway) -> None:
    assert gateway.chat("vllm", max_tokens=2).headers["x-litellm-call-id"]


def claude(gateway: Gateway, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0)


@pytest.mark.parametrize("model", ROUTES)
def test_anthropics_own_sdk_works_over_every_engine(gateway: Gateway, model: str) -> None:
    asked: Any = {"model": model, "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
    with claude(gateway, gateway.keys["search"]) as client:
        answer = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
    assert answer.content[0].type == "text"
    assert answer.content[0].text.startswith("[simulated]")
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 8)
    assert text.startswith("[simulated]")
    assert (final.stop_reason, final.usage.output_tokens) == ("max_tokens", 8)


def test_anthropics_own_sdk_gets_typed_errors(gateway: Gateway) -> None:
    asked: Any = {"model": "vllm", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
    with claude(gateway, "sk-no") as stranger, pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(**asked)
    wrong = {**asked, "messages": []}
    with (
        claude(gateway, gateway.keys["search"]) as client,
        pytest.raises(anthropic.BadRequestError, match="messages is missing or empty"),
    ):
        client.messages.create(**wrong)
