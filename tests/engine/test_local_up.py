"""`make up` and `make down` as a user runs them, on a private checkout; pods are simulated."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import ports, processes
from local.engine import Engine
from local.kubectl import Kubectl
from local.stack_config import MASTER_KEY, prepare
from tests.engine.checkout import Checkout, make_checkout
from tests.engine.settle import settle

SECRETS = (MASTER_KEY, "openai_api_key", "tenant_keys")


@pytest.fixture
def checkout(programs: Path, tmp_path: Path) -> Iterator[Checkout]:
    """A private checkout that is taken down afterwards."""
    made = make_checkout(tmp_path, programs)
    yield made
    made.run("down")


def test_preview_makes_nothing_a_second_up_changes_nothing_and_down_leaves_nothing(
    checkout: Checkout,
) -> None:
    layout = checkout.layout
    committed = layout.stack_file("local").read_bytes()
    before = sorted(layout.root.iterdir())

    previewed = checkout.run("preview")
    assert "to create" in previewed
    rehearsed = checkout.run("preview", "--stack", "prod")
    assert (
        "a rehearsal of a new stack prod, with made-up secrets, in us-west-2. Not proven by it" in rehearsed
    )
    assert "to create" in rehearsed
    assert json.loads(checkout.run("status", "--json"))["pods"] == []

    first = checkout.run("up", "--fake-pods")
    settle(Kubectl(layout.programs / "kubectl", layout.state / "kubeconfig"))
    second = checkout.run("up", "--fake-pods")

    assert "stand-ins of this repository answer for" in first
    assert "simulated: nodes and pods" in first
    assert re.search(r"Resources:\n +\d+ unchanged\n\n", second), f"nothing but unchanged: {second}"
    found: dict[str, Any] = json.loads(checkout.run("status", "--json"))
    assert found["pods"]
    assert all(pod["ready"] for pod in found["pods"])
    weights = {row["version"]: row["weight_percent"] for row in found["models"] if row["model"] == "chat"}
    assert weights == {"qwen3-8b": 90, "qwen3-8b-fp8": 10}
    assert all(row["ready"] == row["wanted"] for row in found["models"])
    assert layout.stack_file("local").read_bytes() == committed, "no secret gets into the committed file"

    used = (ports.remembered(layout.state / "ports.json") or {}).values()
    checkout.run("down")

    assert processes.ours(layout.state) == {}
    assert all(ports.is_free(port) for port in used)
    assert [path.name for path in layout.state.iterdir()] == ["bin"], "only the programs stay"
    assert sorted(layout.root.iterdir()) == before
    assert list(checkout.home.iterdir()) == [], "nothing was written outside .local"
    checkout.run("down")


def test_whatever_breaks_an_up_is_mended_by_the_next(checkout: Checkout) -> None:
    status, said = checkout.until(" created (", lambda process: process.send_signal(signal.SIGINT))
    assert status == 130, said
    assert "interrupted: what was done is kept" in said
    assert "Traceback" not in said

    def kill_all(process: subprocess.Popen[str]) -> None:
        pulumi = checkout.component("pulumi")
        process.kill()
        processes.kill([*pulumi.children(recursive=True), pulumi])

    status, said = checkout.until(" created (", kill_all)
    assert status == -signal.SIGKILL, said

    status, said = checkout.until(" created (", lambda _: checkout.component("kube-apiserver").kill())
    assert status == 1, said
    assert "is gone, its lock was removed" in said, "the killed pulumi left a lock"
    assert "pulumi up ended with status" in said
    assert "Traceback" not in said

    checkout.run("up", "--fake-pods")
    found = json.loads(checkout.run("status", "--json"))
    assert found["pods"]
    assert all(pod["ready"] for pod in found["pods"])


def test_mistakes_of_the_stack_file_stop_up_before_anything_starts(checkout: Checkout) -> None:
    path = checkout.layout.stack_file("local")
    path.write_text(path.read_text().replace("pool: l4", "pool: l44"))

    said = checkout.run("up", "--fake-pods", status=1)

    assert "l44" in said
    assert "did you mean l4?" in said
    assert processes.ours(checkout.layout.state) == {}


def test_generated_keys_are_encrypted_private_and_stay_when_the_file_changes(checkout: Checkout) -> None:
    layout, engine = checkout.layout, checkout.engine()
    first = prepare(engine, "local", SECRETS, {MASTER_KEY}).read_text()
    before = stored_keys(engine)
    path = layout.stack_file("local")
    path.write_text(path.read_text().replace("requests_per_minute: 600", "requests_per_minute: 601"))

    second = prepare(engine, "local", SECRETS, {MASTER_KEY}).read_text()

    assert "601" in second
    assert stored_keys(engine) == before
    encrypted = [yaml.safe_load(text)["config"]["llmserve:tenant_keys"] for text in (first, second)]
    assert encrypted[0] == encrypted[1], "what has not changed is not encrypted anew, which takes seconds"
    assert before["search"] == (layout.keys / "search").read_text()
    assert not any(key in text for key in before.values() for text in (first, second))
    assert {key.stat().st_mode & 0o777 for key in layout.keys.iterdir()} == {0o600}
    started = time.monotonic()
    assert prepare(engine, "local", SECRETS, {MASTER_KEY}).read_text() == second
    assert time.monotonic() - started < 0.1, "an unchanged file is not written again"


def test_a_real_provider_key_put_in_place_of_the_placeholder_is_used(checkout: Checkout) -> None:
    engine = checkout.engine()
    prepare(engine, "local", SECRETS, {MASTER_KEY})
    (checkout.layout.keys / "openai_api_key").write_text("sk-real")

    prepare(engine, "local", SECRETS, {MASTER_KEY})

    arguments = ("config", "get", "llmserve:openai_api_key", "--stack", "local")
    assert engine.read(*arguments, cwd=checkout.layout.state).strip() == "sk-real"


def stored_keys(engine: Engine) -> dict[str, str]:
    arguments = ("config", "get", "llmserve:tenant_keys", "--stack", "local")
    keys: dict[str, str] = yaml.safe_load(engine.read(*arguments, cwd=engine.layout.state))
    return keys
