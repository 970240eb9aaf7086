"""The language host stand-in: how programs are run, how they fail, and in which environment."""

import json
import signal
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.engine.programs.stack import PROGRAMS, WORD, Stack


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    engine_environment: Callable[[Path], dict[str, str]],
    run_pulumi: Callable[..., object],
) -> Stack:
    """A stack whose program lies in a folder of its own below the project (`main: app`)."""
    folder = tmp_path_factory.mktemp("language")
    stack = Stack("language", folder, engine_environment(folder), run_pulumi)
    stack.set_word()
    return stack


def write_project(stack: Stack, end: str = "", virtualenv: str = sys.prefix) -> None:
    """Say how the program ends, and which environment it runs in."""
    (stack.folder / "app" / "end.txt").write_text(end, encoding="utf-8")
    runtime = {"name": "python", "options": {"virtualenv": virtualenv}}
    text = json.dumps({"name": "language", "runtime": runtime, "main": "app"})
    (stack.folder / "Pulumi.yaml").write_text(text, encoding="utf-8")


def test_a_program_is_run_in_its_folder_with_its_secrets(stack: Stack) -> None:
    write_project(stack)
    said = stack.up()
    assert said.count("said by the program") >= 1
    outputs = json.loads(
        stack.pulumi("stack", "output", "--json", "--show-secrets").partition("\nwarning")[0]
    )
    assert outputs == {
        "word": WORD,
        "word_is_secret": True,
        "folder": "app",
        "first_on_path": "app",
        "root": stack.folder.name,
    }
    assert not stack.holds(WORD)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("refusal", "error: settings.models.chat: this is wrong"),
        ("status", "the program exited with status 3"),
    ],
)
def test_a_program_that_refuses_is_heard_once_and_without_a_traceback(
    stack: Stack, end: str, words: str
) -> None:
    write_project(stack, end)
    said = stack.refused("preview")
    assert said.partition("Diagnostics:")[2].count(words) == 1


def test_a_program_that_breaks_shows_one_traceback(stack: Stack) -> None:
    write_project(stack, "exception")
    done = stack.run("preview")
    assert done.returncode != 0
    diagnostics = done.stdout.partition("Diagnostics:")[2]
    assert diagnostics.count("Traceback (most recent call last)") == 1
    assert diagnostics.count("KeyError: 'the-missing-key'") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_when_the_engine_goes_nothing_of_it_stays(stack: Stack, number: signal.Signals) -> None:
    write_project(stack, "never")
    process = stack.start("preview")
    stack.said_until(process, "said by the program")
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 2, "the host and the program"
    process.send_signal(number)
    _, alive = psutil.wait_procs(started, timeout=8)
    assert not alive
    assert "Traceback" not in process.communicate()[0]


def test_a_missing_virtualenv_is_named(stack: Stack) -> None:
    write_project(stack, virtualenv="nowhere")
    said = stack.refused("preview")
    assert f"runtime.options.virtualenv: there is no {stack.folder / 'nowhere' / 'bin' / 'python'}" in said


def test_a_policy_pack_runs_in_its_own_environment(stack: Stack, tmp_path: Path) -> None:
    write_project(stack)
    own = tmp_path / "pack" / "own"
    venv.create(own, symlinks=True)
    packages = own / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    for file in (PROGRAMS / "policy").glob("*.*"):
        (own.parent / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    manifest = {"runtime": {"name": "python", "options": {"virtualenv": "own"}}}
    (own.parent / "PulumiPolicy.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    said = stack.pulumi("preview", "--policy-pack", str(own.parent))
    assert f"checked by {own}" in said
