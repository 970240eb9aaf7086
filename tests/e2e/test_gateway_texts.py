"""What the real LiteLLM writes of requests, and which prompts and answers it refuses.

The moderation service and the backends are stand-ins: no text is judged by a model.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.gateway.model import ContentFilter, GatewayModel, Moderation, RequestLog, Route, TokenPrice
from tests.e2e.gateway_process import FLAGGED, MASTER_KEY, TOKENS, Gateway, Upstreams
from tests.unit import gateway_examples

PROMPT = "a prompt that nobody may find in a log"
JUDGE_SECONDS = 2.0
TOLD_SECONDS = 5
"""Lines are written after the answer."""
KEYS = {"search": "sk-search-of-this-test", "batch": "sk-batch-of-this-test"}


def model(up: Upstreams, prompts: bool = False) -> GatewayModel:
    price = TokenPrice(input_usd=1.0, output_usd=4.0)
    routes = (
        Route(name="pair", backends=(up.backend("pair-1", 90), up.backend("pair-2", 10))),
        Route(name="priced", backends=(up.backend("priced-1", price=price),)),
    )
    names = tuple(route.name for route in routes)
    tenants = [gateway_examples.tenant(name, models=names, requests_per_minute=None) for name in KEYS]
    return gateway_examples.model(
        routes=routes,
        tenants=tuple(tenants),
        first_token_timeout_seconds=5,
        redis=None,
        content_filter=ContentFilter(blocked_words=("unicorn",), answers=True),
        moderation=Moderation(
            base_url=f"http://127.0.0.1:{up.port}/judge/v1",
            model="omni-moderation-latest",
            api_key_env="JUDGE_KEY",
            prompts=True,
            answers=True,
            seconds=JUDGE_SECONDS,
        ),
        log=RequestLog(prompts=prompts),
    )


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    with Upstreams() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("gateway"), model(upstreams), KEYS)
    made.secrets = {"JUDGE_KEY": "sk-judge-of-this-test"}
    with made.running():
        yield made


@pytest.fixture(autouse=True)
def _sound(upstreams: Upstreams) -> None:
    upstreams.reset()


def told(gateway: Gateway, wanted: Callable[[dict[str, Any]], bool], since: int) -> list[dict[str, Any]]:
    """Lines of the log after the first `since` that are wanted, once there are any."""
    until = time.monotonic() + TOLD_SECONDS
    while True:
        if found := [line for line in gateway.told()[since:] if wanted(line)]:
            return found
        assert time.monotonic() < until, gateway.told()[since:]
        time.sleep(0.1)


def test_an_answer_is_told_with_who_what_and_cost_and_without_its_words(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    since = len(gateway.told())
    body = {"model": "priced", "messages": [{"role": "user", "content": PROMPT}]}
    answer = gateway.post(body, KEYS["batch"])
    request_id = answer.headers["x-litellm-call-id"]
    [line] = told(gateway, lambda line: line["request_id"] == request_id, since)
    assert {key: line[key] for key in ("event", "tenant", "path", "model", "version", "stream")} == {
        "event": "answered",
        "tenant": "batch",
        "path": "/v1/chat/completions",
        "model": "priced",
        "version": "priced-1",
        "stream": False,
    }
    assert (line["prompt_tokens"], line["completion_tokens"]) == (3, TOKENS)
    assert line["cost_usd"] == pytest.approx((3 * 1.0 + TOKENS * 4.0) / 1e6)
    assert line["key"] in (gateway.folder / "keys.json").read_text("utf-8")
    assert 0 < line["seconds"] < 5
    assert upstreams.headers["priced-1"]["x-request-id"] == request_id
    assert PROMPT not in gateway.log.read_text("utf-8")


def test_a_stream_is_told_with_the_time_of_its_first_token(gateway: Gateway) -> None:
    since = len(gateway.told())
    answer = gateway.chat("priced", stream=True)
    request_id = answer.headers["x-litellm-call-id"]
    [line] = told(gateway, lambda line: line["request_id"] == request_id, since)
    assert line["stream"] is True
    assert 0 < line["first_token_seconds"] <= line["seconds"]
    assert line["completion_tokens"] > 0


def test_a_failed_try_is_told_beside_the_siblings_answer(gateway: Gateway, upstreams: Upstreams) -> None:
    upstreams.behaviour["pair-1"] = "503"
    since = len(gateway.told())
    while not upstreams.asked["pair-1"]:  # one request of ten goes to the sibling first
        assert gateway.chat("pair").ok
    tried = told(gateway, lambda line: line["event"] == "try_failed", since)
    assert {(line["version"], line["status"]) for line in tried} == {("pair-1", "503")}
    answered = told(gateway, lambda line: line["event"] == "answered", since)
    assert {line["version"] for line in answered} == {"pair-2"}


def test_what_the_client_sees_fail_is_told_with_its_status(gateway: Gateway, upstreams: Upstreams) -> None:
    since = len(gateway.told())
    assert gateway.post({"model": "priced", "messages": []}, KEYS["search"]).status_code == 400
    assert gateway.post({"model": "priced", "messages": []}, "sk-of-nobody").status_code == 401
    assert gateway.chat("none-such").status_code in (400, 401, 403, 404)
    failed = told(gateway, lambda line: line["event"] == "failed" and line["model"] == "none-such", since)
    assert failed[-1]["tenant"] == "search"
    statuses = [line["status"] for line in gateway.told()[since:] if line["event"] == "failed"]
    assert {400, 401} <= set(statuses)
    upstreams.behaviour["priced-1"] = "400"
    since = len(gateway.told())
    status = gateway.chat("priced").status_code
    [line] = told(gateway, lambda line: line["event"] == "failed", since)
    assert (line["tenant"], line["model"], line["status"]) == ("search", "priced", status)


def test_no_key_is_in_the_log(gateway: Gateway) -> None:
    text = gateway.log.read_text("utf-8")
    assert "answered" in text
    for key in (*KEYS.values(), MASTER_KEY, "sk-judge-of-this-test", "sk-of-nobody"):
        assert key not in text


def test_a_flagged_prompt_is_refused_before_any_engine_is_asked(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    body = {"model": "priced", "messages": [{"role": "user", "content": f"plan an {FLAGGED}"}]}
    answer = gateway.post(body, KEYS["search"])
    assert answer.status_code == 400
    assert "error" in answer.json()
    assert upstreams.asked["judge"] == 1
    assert upstreams.asked["priced-1"] == 0


def test_a_flagged_answer_is_refused(gateway: Gateway, upstreams: Upstreams) -> None:
    upstreams.behaviour["priced-1"] = f"says how to {FLAGGED}"
    answer = gateway.chat("priced")
    assert answer.status_code == 400
    assert "how to" not in answer.text


def test_a_stream_ends_with_an_error_where_it_is_flagged(gateway: Gateway, upstreams: Upstreams) -> None:
    upstreams.behaviour["priced-1"] = f"says {'so ' * 20} {FLAGGED} {'and ' * 20} end"
    answer = gateway.chat("priced", stream=True)
    assert "so " in answer.text
    assert '"error"' in answer.text
    assert " end" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_blocked_words_are_masked_in_answers(gateway: Gateway, upstreams: Upstreams, stream: bool) -> None:
    upstreams.behaviour["priced-1"] = f"says {'so ' * 20} unicorn {'and ' * 20} end"
    answer = gateway.chat("priced", stream=stream)
    assert answer.status_code == 200
    assert "unicorn" not in answer.text
    assert "end" in answer.text


def test_a_blocked_word_in_a_prompt_is_refused(gateway: Gateway, upstreams: Upstreams) -> None:
    body = {"model": "priced", "messages": [{"role": "user", "content": "a Unicorn"}]}
    assert gateway.post(body, KEYS["search"]).status_code == 400
    assert upstreams.asked["priced-1"] == 0


def test_a_judge_that_hangs_fails_the_request_in_bounded_time(gateway: Gateway, upstreams: Upstreams) -> None:
    upstreams.behaviour["judge"] = "hang"
    started = time.monotonic()
    answer = gateway.chat("priced")
    assert answer.status_code >= 400
    assert upstreams.asked["priced-1"] == 0
    assert time.monotonic() - started < JUDGE_SECONDS * 3


def test_prompts_are_written_only_where_that_is_asked_for(upstreams: Upstreams, tmp_path: Path) -> None:
    made = Gateway(tmp_path, model(upstreams, prompts=True), KEYS)
    made.secrets = {"JUDGE_KEY": "sk-judge-of-this-test"}
    with made.running():
        body = {"model": "priced", "messages": [{"role": "user", "content": PROMPT}]}
        request_id = made.post(body, KEYS["batch"]).headers["x-litellm-call-id"]
        [line] = told(made, lambda line: line["request_id"] == request_id, 0)
    assert PROMPT in str(line["messages"])
    assert "from priced-1" in str(line["response"])
