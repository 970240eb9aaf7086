"""How answers are judged and times are summed up."""

import json
from typing import Any

import pytest
from rich.console import Console

from local.load_report import NOBODY, Answer, Ask, Outcome, lost, lost_by_pod, percentile, show, summary

STREAM = Ask(True, 3)
SHORT = Ask(False, 3)


def event(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    choice = {"delta": {"content": text} if text else {}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice], **more})}\n".encode()


def usage(tokens: int) -> bytes:
    return f"data: {json.dumps({'choices': [], 'usage': {'completion_tokens': tokens}})}\n".encode()


def done() -> bytes:
    return b"data: [DONE]\n"


def streamed(*lines: bytes) -> Outcome:
    answer = Answer(STREAM)
    for number, line in enumerate(lines, start=1):
        answer.line(line, float(number))
    return answer.outcome(9.0)


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [0.5, 0.1, 0.4, 0.2, 0.3]
    assert [percentile(values, percent) for percent in (20, 21, 50, 95, 99, 100)] == [
        0.1,
        0.2,
        0.3,
        0.5,
        0.5,
        0.5,
    ]
    hundred = [float(number) for number in range(1, 101)]
    assert [percentile(hundred, percent) for percent in (50, 95, 99)] == [50.0, 95.0, 99.0]
    assert percentile([7.0], 1) == 7.0
    assert percentile([], 50) is None


def test_a_whole_stream_is_timed_from_its_first_to_its_last_token() -> None:
    found = streamed(
        event(), event("a"), b"\n", event("b"), event("c"), event(finish="length"), usage(3), done()
    )
    assert found == Outcome(
        version=None,
        streamed=True,
        problem=None,
        first_token_seconds=2.0,
        token_seconds=1.5,  # tokens at 2 s, 4 s and 5 s
        total_seconds=9.0,
    )


def test_the_tokens_of_one_event_count_as_many() -> None:
    found = streamed(event("a"), event("b c d e"), event(finish="stop"), usage(5), done())
    assert (found.problem, found.token_seconds) == (None, 0.25)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "cut (no [DONE])"),
        ([event("a"), event("b"), event(finish="length"), usage(3)], "cut (no [DONE])"),
        ([event("a"), usage(1), done()], "finish_reason None"),
        ([event("a"), event(finish="abort"), usage(1), done()], "finish_reason abort"),
        ([event("a"), b'data: {"error": {"message": "upstream"}}\n', done()], "error event"),
        ([event(finish="stop"), usage(0), done()], "no tokens"),
        ([event(finish="stop"), usage(3), done()], "no tokens"),
        ([event("a"), event("b", "length"), usage(2), done()], "tokens missing"),
        ([event("a"), event("b", "length"), done()], "no tokens"),
        ([event("a"), event("b", "stop"), usage(2), done()], None),
    ],
)
def test_a_stream_that_is_not_whole_is_lost(lines: list[bytes], problem: str | None) -> None:
    assert streamed(*lines).problem == problem


@pytest.mark.parametrize(
    ("text", "finish", "tokens", "problem"),
    [
        ("a b c", "length", 3, None),
        ("a", "stop", 1, None),
        ("a", "abort", 1, "finish_reason abort"),
        ("", "stop", 3, "no tokens"),
        ("a b", "length", 2, "tokens missing"),
    ],
)
def test_a_short_answer_is_judged_as_a_stream_is(
    text: str, finish: str, tokens: int, problem: str | None
) -> None:
    answer = Answer(SHORT)
    choice = {"finish_reason": finish, "message": {"content": text}}
    answer.whole({"choices": [choice], "usage": {"completion_tokens": tokens}})
    found = answer.outcome(0.5)
    assert (found.problem, found.first_token_seconds, found.token_seconds) == (problem, None, None)


def test_a_summary_has_a_row_per_version_and_times_of_whole_answers_only() -> None:
    one = [
        Outcome(version="chat-a", streamed=True, first_token_seconds=n / 10, token_seconds=n / 100)
        for n in range(1, 5)
    ]
    cut = Outcome(version="chat-a", streamed=True, problem="cut", first_token_seconds=9.0, token_seconds=9.0)
    short = Outcome(version="chat-b", streamed=False)
    refused = Outcome(version=None, streamed=False, problem="connection refused")

    rows = summary([refused, short, cut, *one, cut])

    assert lost([refused, short, cut, *one, cut]) == 3
    none = {"p50": None, "p95": None, "p99": None}
    assert rows == [
        {
            "version": NOBODY,
            "requests": 1,
            "streamed": 0,
            "lost": 1,
            "problems": {"connection refused": 1},
            "ttft_seconds": none,
            "tpot_seconds": none,
        },
        {
            "version": "chat-a",
            "requests": 6,
            "streamed": 6,
            "lost": 2,
            "problems": {"cut": 2},
            "ttft_seconds": {"p50": 0.2, "p95": 0.4, "p99": 0.4},
            "tpot_seconds": {"p50": 0.02, "p95": 0.04, "p99": 0.04},
        },
        {
            "version": "chat-b",
            "requests": 1,
            "streamed": 0,
            "lost": 0,
            "problems": {},
            "ttft_seconds": none,
            "tpot_seconds": none,
        },
    ]


def test_the_table_fits_eighty_columns_and_says_why_requests_were_lost() -> None:
    outcomes = [
        Outcome(version="chat-qwen3-8b-fp8", streamed=True, first_token_seconds=0.08, token_seconds=0.02),
        Outcome(version="chat-qwen3-8b-fp8", streamed=True, problem="error event"),
    ]
    report = {
        "model": "chat",
        "seconds": 10.0,
        "requests": 2,
        "lost": 1,
        "unfinished": 4,
        "connections": "a connection of its own per request",
        "versions": summary(outcomes),
    }
    console = Console(width=80)
    with console.capture() as captured:
        show(report, console)
    said = captured.get()
    for words in (
        "chat-qwen3-8b-fp8",
        "80/80/80",
        "20/20/20",
        "2 requests in 10 s, 1 lost, 4 left unfinished; a connection of its own per request",
        "lost of chat-qwen3-8b-fp8: 1 x error event",
    ):
        assert words in said, said


def test_lost_requests_are_counted_by_the_pod_that_had_begun_to_answer() -> None:
    answer = Answer(Ask(True, 9))
    chunk = {"choices": [], "system_fingerprint": "simulated-vllm-0.33.0@chat-one-x"}
    answer.line(f"data: {json.dumps(chunk)}".encode(), 0.1)
    begun, not_begun = answer.outcome(1.0), Answer(Ask(True, 9)).outcome(1.0)
    assert begun.pod == "chat-one-x"
    assert lost_by_pod([begun, not_begun, begun]) == {"chat-one-x": 2, NOBODY: 1}
