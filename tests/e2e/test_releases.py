"""Releases on the whole laptop stack under load: real pulumi, API server, LiteLLM and Prometheus.

Engines are simulated, and waits are shortened by settings; the judge's thresholds are its defaults. Proves
that verdicts come from real series, that traffic really moves and loses nothing, and that a killed promoter
leaves a release that goes on. Does not prove the judge's error rates (docs/releases.md) or anything of a GPU.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.load_report import Ask
from tests.e2e.laptop_stack import Stack, lost, make_laptop

RATE = 8
MIX = (Ask(True, 6), Ask(False, 4))
COMMAND_SECONDS = 400
SWITCH_SECONDS = 60


class Releases(Stack):
    """The stack of rehearsal.yaml, and llmserve's verbs on it."""

    @property
    def path(self) -> Path:
        return self.checkout.layout.stack_file("local")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "llmserve", *arguments],
            cwd=self.checkout.layout.root,
            env=os.environ | {"HOME": str(self.checkout.home), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def do(self, *arguments: str, status: int = 0) -> str:
        process = self.start(*arguments)
        said, problems = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == status, said + problems
        assert "Traceback" not in problems
        return said + ("" if "--json" in arguments else problems)

    def kill_when(self, words: str, *arguments: str) -> str:
        """Start a verb and kill it as soon as it says `words`."""
        said = ""
        with self.start(*arguments) as process:
            assert process.stdout
            for line in process.stdout:
                said += line
                if words in line:
                    break
            process.send_signal(signal.SIGKILL)
        assert words in said, said
        return said

    def last_release(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.do("releases", model, "--json"))[-1]
        return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    checkout = make_laptop(tmp_path_factory.mktemp("releases"))
    own = Path(__file__).with_name("rehearsal.yaml").read_text(encoding="utf-8")
    checkout.layout.stack_file("local").write_text(own, encoding="utf-8")
    try:
        checkout.run("up")
        yield Releases(checkout)
    finally:
        checkout.run("down")


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        ("ttft=2", "returned", "TTFT"),
        ("tpot=1.5", "returned", "TPOT"),
        ("errors=0.2", "returned", "errors"),
        ("leak=2", "returned", "slower"),
        ("crash=10", "returned", "two"),
    ],
)
def test_a_version_with_a_fault_is_taken_back_by_itself_and_nothing_is_lost_through_moves(
    stack: Releases, fault: str, outcome: str, words: str
) -> None:
    before = stack.path.read_text("utf-8")
    started = time.monotonic()
    found = json.loads(stack.do("rehearse", "chat", "two", "--inject", fault, "--leave", "--json"))
    print(f"{fault}: {found['outcome']} in {time.monotonic() - started:.0f} s: {found['reason']}")
    assert found["outcome"] == outcome
    assert words in found["reason"] or "hard stop" in found["reason"]
    assert found["lost"]["elsewhere"] == {}
    assert stack.path.read_text("utf-8") == before, "a rehearsal works on a copy"


def test_a_good_version_is_promoted_by_a_promoter_that_was_killed_twice(stack: Releases) -> None:
    before = stack.path.read_text("utf-8")

    def release() -> None:
        said = stack.kill_when("step 1 of 2", "promote", "chat", "two", "--why", "it is better")
        assert "deploying" in said
        said = stack.kill_when("50 %", "promote", "chat", "two")
        assert "deploying" not in said, "the second run goes on where the first was"
        said = stack.do("promote", "chat", "two")
        assert "promoted" in said

    report = stack.load_during(release, rate=RATE, mix=MIX)
    assert lost(report) == {}
    assert stack.path.read_text("utf-8") == before.replace("{one: 100}", "{one: 0, two: 100}")
    assert {row["version"] for row in report["versions"]} == {"chat-one", "chat-two"}
    ended = stack.last_release("chat")
    assert (ended["outcome"], ended["why"]) == ("promoted", "it is better")
    said = stack.checkout.run("preview")
    assert re.search(r"Resources:\n +\d+ unchanged\n", said), f"file, state and cluster agree: {said}"


def test_a_rollback_takes_all_traffic_back_at_once(stack: Releases) -> None:
    started = time.monotonic()
    report = stack.load_during(lambda: stack.do("rollback", "chat"), rate=RATE, mix=MIX)
    print(f"rollback: {time.monotonic() - started:.0f} s with 4 s around it")
    assert lost(report) == {}
    assert stack.last_release("chat")["outcome"] == "rolled_back"
    assert "traffic: {one: 100}" in stack.path.read_text("utf-8")


def test_blue_green_switches_and_comes_back_within_a_minute_each_and_loses_nothing(stack: Releases) -> None:
    seconds = {}

    def timed(verb: str, *arguments: str) -> None:
        started = time.monotonic()
        stack.do(verb, *arguments)
        seconds[verb] = time.monotonic() - started

    report = stack.load_during(
        lambda: (timed("promote", "switch", "green"), timed("rollback", "switch")),
        model="switch",
        rate=RATE,
        mix=MIX,
    )
    print(f"blue-green: {seconds}")
    assert lost(report) == {}
    assert {row["version"] for row in report["versions"]} == {"switch-blue", "switch-green"}
    assert max(seconds.values()) <= SWITCH_SECONDS, seconds


def test_a_second_promoter_is_refused_while_one_is_at_work(stack: Releases) -> None:
    first = stack.start("promote", "switch", "green")
    try:
        assert first.stdout
        assert any("deploying" in line for line in first.stdout)
        assert "another promoter" in stack.do("rollback", "switch", status=1)
    finally:
        reading = threading.Thread(target=first.communicate)
        reading.start()
        first.send_signal(signal.SIGINT)
        reading.join(timeout=COMMAND_SECONDS)
    assert first.returncode == 130
    stack.do("rollback", "switch")
