"""The OpenAI routes of all simulated engines: grammar of streams, usage, tools, embeddings, errors."""

import base64
import struct
from collections.abc import Iterator

import pytest

from local.sim.engine import embedding
from tests.e2e.test_sim_start import CHAT, Sim, events

ENGINES = ("vllm", "tgi", "sglang", "tensorrt_llm", "ollama")
NAMES = {"tensorrt_llm": "tensorrt-llm"}


@pytest.fixture(scope="module", params=ENGINES)
def sim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sim]:
    models = str(tmp_path_factory.mktemp("models"))
    auto = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes") if request.param == "vllm" else ()
    with Sim(request.param, *auto, env={"OLLAMA_MODELS": models, "SIM_PULL_SECONDS": "0"}) as running:
        if request.param == "ollama":
            assert running.post("/api/pull", {"model": "chat"}).status_code == 200
        yield running


def expected_text(fingerprint: str) -> str:
    name, _, version = fingerprint.partition("@")[0].removeprefix("simulated-").rpartition("-")
    return f"[simulated] {name} {version} as chat,"


def test_an_answer_says_that_it_is_simulated(sim: Sim) -> None:
    answer = sim.post("/v1/chat/completions", CHAT)

    body = answer.json()
    assert answer.headers["x-llmserve-simulated"] == "true"
    assert body["system_fingerprint"].startswith(f"simulated-{NAMES.get(sim.engine, sim.engine)}-")
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": expected_text(body["system_fingerprint"]),
    }


def test_a_whole_answer_has_as_many_tokens_as_asked_for(sim: Sim) -> None:
    body = sim.post("/v1/chat/completions", CHAT).json()

    assert body["object"] == "chat.completion"
    assert body["model"] == "chat"
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def test_without_a_bound_an_answer_has_48_tokens_and_stops_by_itself(sim: Sim) -> None:
    body = sim.post("/v1/chat/completions", {**CHAT, "max_tokens": None}).json()

    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == 48


def test_a_stream_has_the_same_text_and_usage_as_a_whole_answer(sim: Sim) -> None:
    body = {**CHAT, "stream_options": {"include_usage": True}}
    *chunks, last = events(list(sim.stream("/v1/chat/completions", body)))
    whole = sim.post("/v1/chat/completions", CHAT).json()

    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert reasons == [None] * (len(chunks) - 1) + ["length"]
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in (*chunks, last)}) == 1


def test_a_stream_has_no_usage_unless_asked_for(sim: Sim) -> None:
    chunks = events(list(sim.stream("/v1/chat/completions", CHAT)))

    assert all("usage" not in chunk and len(chunk["choices"]) == 1 for chunk in chunks)


def test_the_number_of_chunks_is_the_real_engines(sim: Sim) -> None:
    chunks = events(list(sim.stream("/v1/chat/completions", CHAT)))

    extra = {"vllm": 1, "tensorrt_llm": 1, "tgi": 0, "sglang": 2, "ollama": 1}
    assert len(chunks) == 5 + extra[sim.engine], "role first (vLLM, SGLang), end apart (SGLang, Ollama)"


def test_completions_stream_text(sim: Sim) -> None:
    body = {"model": "chat", "prompt": "a b", "max_tokens": 3, "stream_options": {"include_usage": True}}
    *chunks, last = events(list(sim.stream("/v1/completions", body)))
    whole = sim.post("/v1/completions", body).json()

    assert whole["object"] == "text_completion"
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["choices"][0]["text"]
    assert last["usage"] == whole["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_a_tool_is_called_once_and_its_result_is_answered_in_words(sim: Sim) -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("find", "buy")]
    named = {"type": "function", "function": {"name": "buy"}}
    call = sim.post("/v1/chat/completions", {**CHAT, "tools": tools}).json()["choices"][0]
    forced = sim.post("/v1/chat/completions", {**CHAT, "tools": tools, "tool_choice": named}).json()[
        "choices"
    ][0]
    result = {"role": "tool", "tool_call_id": call["message"]["tool_calls"][0]["id"], "content": "done"}
    messages = [*CHAT["messages"], call["message"], result]
    after = sim.post("/v1/chat/completions", {**CHAT, "tools": tools, "messages": messages}).json()[
        "choices"
    ][0]

    assert call["finish_reason"] == "tool_calls"
    assert call["message"]["tool_calls"][0]["function"] == {
        "name": "find",
        "arguments": '{"simulated": true}',
    }
    assert forced["message"]["tool_calls"][0]["function"]["name"] == "buy"
    assert after["message"]["content"].startswith("[simulated]")


def test_a_streamed_tool_call_joins_to_the_whole_one(sim: Sim) -> None:
    tools = [{"type": "function", "function": {"name": "find"}}]
    chunks = events(list(sim.stream("/v1/chat/completions", {**CHAT, "tools": tools})))

    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls") or ()]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"simulated": true}'
    assert [call["index"] for call in calls] == [0, 0]
    assert (calls[0]["function"]["name"], calls[0]["type"]) == ("find", "function")
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("engine", "flags"),
    [("vllm", ("--runner", "pooling")), ("sglang", ("--is-embedding",)), ("ollama", ())],
)
def test_embeddings_depend_on_the_text_and_can_be_packed(
    engine: str, flags: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    models = str(tmp_path_factory.mktemp("models"))
    with Sim(engine, *flags, env={"OLLAMA_MODELS": models, "SIM_PULL_SECONDS": "0"}) as sim:
        if engine == "ollama":
            sim.post("/api/pull", {"model": "chat"})
        plain = sim.post("/v1/embeddings", {"model": "chat", "input": ["a b", "c"]}).json()
        packed = sim.post(
            "/v1/embeddings", {"model": "chat", "input": "c", "encoding_format": "base64"}
        ).json()

    assert plain["data"][0] == {"object": "embedding", "index": 0, "embedding": embedding("a b")}
    assert plain["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    vector = struct.unpack("16f", base64.b64decode(packed["data"][0]["embedding"]))
    assert vector == pytest.approx(plain["data"][1]["embedding"])
    assert embedding("a b") != embedding("c")


def test_models_lists_the_served_name(sim: Sim) -> None:
    listed = sim.get("/v1/models").json()

    served = {"tgi": "org/weights", "ollama": "chat:latest"}.get(sim.engine, "chat")
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [served]


def test_bad_requests_are_answered_with_400(sim: Sim) -> None:
    no_messages = sim.post("/v1/chat/completions", {"model": "chat"})
    no_tokens = sim.post("/v1/chat/completions", {**CHAT, "max_tokens": 0})

    assert (no_messages.status_code, no_tokens.status_code) == (400, 400)
    assert "max_tokens must be at least 1, got 0." in no_tokens.text
