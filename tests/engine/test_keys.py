"""`llmserve keys` with the real pulumi: what is stored, what is shown, and what is nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.layout import find
from tests.stack_files import ROOT

STACK = "local"


class Stack:
    """A project with a stack file and a stack of a backend of its own."""

    def __init__(self, folder: Path) -> None:
        layout = find(ROOT)
        assert layout
        self.folder = folder
        (folder / "Pulumi.yaml").write_text("name: llmserve\nruntime: python\n", encoding="utf-8")
        self.file = folder / f"Pulumi.{STACK}.yaml"
        self.file.write_bytes((ROOT / self.file.name).read_bytes())
        (folder / "state").mkdir()
        self.environment = os.environ | {
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join([str(layout.programs), os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of this test",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "COLUMNS": "200",
        }
        self.run("pulumi", "stack", "init", STACK)

    def run(self, *command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def keys(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.run(sys.executable, "-m", "llmserve", "keys", *arguments, "--stack", STACK, status=status)
        assert "Traceback" not in done.stderr
        return done

    def stored(self, tenant: str) -> str:
        path = f'llmserve:tenant_keys["{tenant}"]'
        return self.run("pulumi", "config", "get", "--path", path, "--stack", STACK).stdout.strip()


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def test_a_key_is_made_shown_once_rotated_and_revoked_and_is_nowhere_in_clear(stack: Stack) -> None:
    first = stack.keys("new", "search").stdout.strip()
    assert first.startswith("sk-")
    assert len(first) > 40
    assert stack.stored("search") == first

    second = stack.keys("rotate", "search").stdout.strip()
    assert stack.stored("search") == f"{second} {first}", "both work while clients change over"
    third = stack.keys("rotate", "search").stdout.strip()
    assert stack.stored("search") == f"{third} {second}", "an older one stops"

    stack.keys("revoke", "search", "--older")
    assert stack.stored("search") == third
    other = stack.keys("new", "batch").stdout.strip()
    stack.keys("revoke", "search")
    assert stack.stored("batch") == other, "the other tenant keeps its key"

    for path in stack.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [key for key in (first, second, third, other) if key.encode() in content], path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("new", "serach"), "did you mean search?"),
        (("rotate", "search"), "`llmserve keys new` makes one"),
        (("revoke", "search"), "has no key"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    stack: Stack, arguments: tuple[str, ...], words: str
) -> None:
    before = stack.file.read_text("utf-8")
    assert words in stack.keys(*arguments, status=1).stderr
    assert stack.file.read_text("utf-8") == before


def test_one_encrypted_value_for_all_tenants_is_not_replaced_in_silence(stack: Stack) -> None:
    whole = '{"batch": "sk-batch"}'
    stack.run("pulumi", "config", "set", "--secret", "llmserve:tenant_keys", whole, "--stack", STACK)
    before = stack.file.read_text("utf-8")
    for verb in ("new", "rotate", "revoke"):
        assert "one encrypted value" in stack.keys(verb, "search", status=1).stderr
    assert stack.file.read_text("utf-8") == before


def test_a_second_first_key_is_refused(stack: Stack) -> None:
    kept = stack.keys("new", "search").stdout.strip()
    assert "already" in stack.keys("new", "search", status=1).stderr
    assert stack.stored("search") == kept
