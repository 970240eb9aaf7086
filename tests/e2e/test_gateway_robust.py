"""What users see of the real LiteLLM when versions fail, hang or refuse, and when requests are wrong.

Proves the rendered configuration by LiteLLM itself. Does not prove engines: the backends are stand-ins.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from scipy.stats import binom

from components.gateway.model import Backend, GatewayModel, Route
from tests.e2e.gateway_process import TOKENS, Gateway, Upstreams
from tests.unit import gateway_examples

FIRST_TOKEN_SECONDS, COOLDOWN_SECONDS = 3, 4
TENANTS = 200
GONE = "127.0.0.1:9"
"""Nobody listens there."""
EFFECTIVE_SECONDS = 5


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    with Upstreams() as made:
        yield made


def model(up: Upstreams) -> GatewayModel:
    routes = (
        Route(name="pair", backends=(up.backend("pair-1", 90), up.backend("pair-2", 10))),
        Route(
            name="fall", backends=(up.backend("fall-1", 50), up.backend("fall-2", 50)), fallbacks=("spare",)
        ),
        Route(name="spare", backends=(up.backend("spare-1"),)),
        Route(name="narrow", backends=(up.backend("narrow-1"),), context_fallback="spare"),
        Route(name="alone", backends=(up.backend("alone-1"),)),
        Route(
            name="gone",
            backends=(Backend(id="gone-1", kind="vllm", base_url=f"http://{GONE}", model="x", weight=100),),
        ),
        Route(name="ab", backends=(up.backend("ab-1", 70), up.backend("ab-2", 30)), sticky=True),
    )
    names = tuple(route.name for route in routes)
    tenants = [gateway_examples.tenant("search", models=names, requests_per_minute=None)]
    tenants += [gateway_examples.tenant("narrow-tenant", models=("alone",), requests_per_minute=None)]
    tenants += [gateway_examples.tenant("slow", models=("alone",), requests_per_minute=3)]
    tenants += [gateway_examples.tenant("rotated", models=("alone",), requests_per_minute=None)]
    tenants += [
        gateway_examples.tenant(f"t{n}", models=("ab",), requests_per_minute=None) for n in range(TENANTS)
    ]
    return gateway_examples.model(
        routes=routes,
        tenants=tuple(tenants),
        request_timeout_seconds=8,
        first_token_timeout_seconds=FIRST_TOKEN_SECONDS,
        longest_stream_seconds=60,
        retries=1,
        cooldown_seconds=COOLDOWN_SECONDS,
        redis=None,
    )


@pytest.fixture(scope="module")
def running(upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = model(upstreams)
    keys = {tenant.name: f"sk-{tenant.name}-of-this-test-32-characters" for tenant in made.tenants}
    with Gateway(tmp_path_factory.mktemp("gateway"), made, keys).running() as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, upstreams: Upstreams) -> Iterator[Gateway]:
    upstreams.reset()
    yield running
    if upstreams.behaviour:
        time.sleep(COOLDOWN_SECONDS + 0.5)  # what a test has made fail is asked again
    upstreams.reset()
    assert requests.get(f"{running.url}/health/readiness", timeout=10).ok, "the gateway is well afterwards"


def error_of(answer: requests.Response) -> str:
    """Message of an error in OpenAI's form that tells nothing of the inside."""
    body = answer.json()
    assert set(body) == {"error"}, body
    assert {"message", "type", "code"} <= set(body["error"]), body
    for inside in ("127.0.0.1", "Traceback", ".py", "api_base"):
        assert inside not in json.dumps(body), body
    return str(body["error"]["message"])


def test_one_version_that_answers_503_hurts_nobody_and_is_soon_left_alone(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    upstreams.behaviour["pair-1"] = "503"
    statuses = Counter(gateway.chat("pair").status_code for _ in range(200))
    print(f"failed version asked {upstreams.asked['pair-1']} times in 200 requests")
    assert statuses == {200: 200}
    # it is asked again each time its cooldown is over, until the failures allowed are used up
    assert upstreams.asked["pair-1"] <= 10


def test_a_version_that_cuts_streams_and_one_that_hangs_give_way_to_their_sibling(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    upstreams.behaviour["pair-1"] = "hang"
    while not upstreams.asked["pair-1"]:  # one request of ten goes to the sibling first
        started = time.monotonic()
        answer = gateway.chat("pair", stream=True)
        seconds = time.monotonic() - started
    print(f"a hang at the first token: answered after {seconds:.1f} s")
    assert answer.status_code == 200
    assert answer.text.strip().endswith("data: [DONE]")
    assert seconds <= FIRST_TOKEN_SECONDS + 1


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_model_whose_versions_all_refuse_is_answered_by_its_fallback(
    gateway: Gateway, upstreams: Upstreams, status: str
) -> None:
    upstreams.behaviour |= {"fall-1": status, "fall-2": status}
    answers = [gateway.chat("fall") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["choices"][0]["message"]["content"] for answer in answers} == {"from spare-1"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_goes_to_the_context_fallback(
    gateway: Gateway, upstreams: Upstreams, stream: bool
) -> None:
    upstreams.behaviour["narrow-1"] = "too_long"
    answers = [gateway.chat("narrow", stream=stream) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert upstreams.asked["spare-1"] == 5


def test_when_everything_is_down_there_is_one_clear_error_in_bounded_time(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    upstreams.behaviour["alone-1"] = "503"
    for _ in range(6):
        started = time.monotonic()
        answer = gateway.chat("alone")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "LiteLLM" not in error_of(answer)
        assert time.monotonic() - started < 8


@pytest.mark.parametrize("stream", [False, True])
def test_responses_name_no_address_of_a_backend(gateway: Gateway, upstreams: Upstreams, stream: bool) -> None:
    address = f"127.0.0.1:{upstreams.port}"
    for behaviour, status in (("ok", 200), ("400", 400), ("too_long", 400), ("500", 503), ("ok", 503)):
        model = "gone" if (behaviour, status) == ("ok", 503) else "alone"
        upstreams.behaviour["alone-1"] = behaviour
        answer = gateway.chat(model, stream=stream)
        assert answer.status_code == status, answer.text
        assert address not in answer.text + str(answer.headers)
        assert GONE not in answer.text + str(answer.headers)
    upstreams.behaviour["alone-1"] = "too_long"
    assert error_of(gateway.chat("alone")).startswith("This model's maximum context length")


def test_a_tenant_stays_with_one_version_and_shares_are_the_weights(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    versions = {}
    for n in range(TENANTS):
        seen = {gateway.chat("ab", f"t{n}").json()["choices"][0]["message"]["content"] for _ in range(2)}
        assert len(seen) == 1, f"t{n} got {seen}"
        (versions[n],) = seen
    second = sum(version == "from ab-2" for version in versions.values())
    low, high = binom.interval(0.99, TENANTS, 0.3)
    print(f"{second} of {TENANTS} tenants with the version of 30 %")
    assert low <= second <= high

    upstreams.behaviour["ab-2"] = "503"
    moved = [n for n, version in versions.items() if version == "from ab-2"][:10]
    assert {gateway.chat("ab", f"t{n}").status_code for n in moved} == {200}, "its sibling answers for it"


def test_wrong_keys_and_foreign_models_are_refused(gateway: Gateway) -> None:
    body = {"model": "alone", "messages": [{"role": "user", "content": "hello"}]}
    for key in ("sk-nobody", "", "' OR 1=1 --", "sk-" + "x" * 5000):
        answer = gateway.post(body, key)
        assert answer.status_code == 401, key[:20]
        error_of(answer)
    foreign = gateway.chat("pair", "narrow-tenant")
    assert foreign.status_code in (401, 403)
    error_of(foreign)
    by_id = gateway.chat("alone-1", "search")
    assert by_id.status_code in (400, 401, 403, 404), "a version by its own name is not for tenants"


def test_over_the_limit_is_429_with_retry_after(gateway: Gateway) -> None:
    answers = [gateway.chat("alone", "slow") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
    error_of(answers[-1])


def test_keys_are_added_rotated_and_revoked_without_a_restart_or_a_lost_request(gateway: Gateway) -> None:
    def effective(key: str, status: int) -> float:
        started = time.monotonic()
        while gateway.post(body, key).status_code != status:
            assert time.monotonic() - started < EFFECTIVE_SECONDS, f"{status} not yet"
            time.sleep(0.1)
        return time.monotonic() - started

    body = {"model": "alone", "messages": [{"role": "user", "content": "hello"}]}
    old, new = gateway.keys["rotated"], "sk-rotated-the-second-of-this-test-32"
    before = dict(gateway.keys)
    gateway.write_keys({**before, "rotated": f"{new}\n{old}"})
    seconds = [effective(new, 200)]
    assert gateway.post(body, old).status_code == 200, "both work while clients change over"
    gateway.write_keys({**before, "rotated": new})
    seconds += [effective(old, 401)]
    assert gateway.post(body, new).status_code == 200
    gateway.write_keys(before)
    seconds += [effective(new, 401), effective(old, 200)]
    print(f"keys effective after {max(seconds):.2f} s")


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        ({"model": "alone", "messages": []}, (400, 422)),
        ({"model": "alone"}, (400, 422)),
        ({"model": "nothing-like-it", "messages": [{"role": "user", "content": "x"}]}, (400, 401, 403, 404)),
        ({"messages": [{"role": "user", "content": "x"}]}, (400, 401, 403, 404, 422)),
        ({"model": "alone", "messages": [{"role": "user", "content": "x"}], "temperature": 3}, (400,)),
        ({"model": "alone", "messages": [{"role": "user", "content": "x" * 2**26}]}, (413,)),
    ],
    ids=["no messages", "messages left out", "unknown model", "model left out", "temperature 3", "64 MiB"],
)
def test_a_wrong_request_is_refused_in_openais_form(
    gateway: Gateway, body: object, statuses: tuple[int, ...]
) -> None:
    answer = gateway.post(body, gateway.keys["search"])
    assert answer.status_code in statuses, answer.text
    error_of(answer)


@pytest.mark.parametrize(
    "body", [b'{"model": "alone", ', b"", b"\xff\xfe", b"[1, 2]", b' "text"', b"7", b"null"], ids=repr
)
def test_a_body_that_is_no_json_object_is_refused_in_openais_form(gateway: Gateway, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {gateway.keys['search']}", "Content-Type": "application/json"}
    answer = requests.post(f"{gateway.url}/v1/chat/completions", data=body, headers=headers, timeout=20)
    assert 400 <= answer.status_code < 500
    error_of(answer)


@pytest.mark.parametrize(
    "path", ["/model/info", "/key/generate", "/spend/logs", "/v1/files", "/metrics", "/"]
)
def test_a_tenant_reaches_no_other_path(gateway: Gateway, path: str) -> None:
    headers = {"Authorization": f"Bearer {gateway.keys['search']}"}
    assert requests.get(f"{gateway.url}{path}", headers=headers, timeout=20).status_code >= 400


def test_a_stream_has_all_tokens_usage_and_done(gateway: Gateway) -> None:
    answer = gateway.chat("alone", stream=True, stream_options={"include_usage": True})
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    parsed = [json.loads(event) for event in events[:-1]]
    text = "".join(c["delta"].get("content") or "" for e in parsed for c in e["choices"])
    assert text == "".join(f"{n} " for n in range(TOKENS))
    assert any(event.get("usage") for event in parsed)
