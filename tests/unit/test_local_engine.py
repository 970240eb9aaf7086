"""pulumi's environment, its lock, and what Ctrl-C does to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import stack_config
from local.engine import Engine, laptop_environment, with_plugins
from local.errors import LocalError
from local.layout import Layout, find
from local.plugins import KUBERNETES, LANGUAGE, Plugins
from tests.stack_files import ROOT

STREAM = """
import sys
from pathlib import Path
from local.engine import Engine
from local.layout import Layout
try:
    Engine(Layout(Path(sys.argv[1])), {"PATH": "/usr/bin:/bin"}).stream("up")
except KeyboardInterrupt:
    sys.exit(130)
"""
PULUMI_THAT_FINISHES = """#!/bin/sh
trap 'echo INT >> {root}/signals' INT
echo started > {root}/started
for i in 1 2 3 4 5; do sleep 0.1; done
echo finished > {root}/finished
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.programs.mkdir(parents=True)
    return made


def pulumi_is(layout: Layout, script: str) -> None:
    path = layout.programs / "pulumi"
    path.write_text(script)
    path.chmod(0o755)


def lock(layout: Layout, pid: int) -> None:
    folder = layout.backend / ".pulumi/locks/organization/llmserve/local"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"pid": pid, "username": "me", "hostname": "here"}))


def test_nothing_of_the_user_s_pulumi_gets_in(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "theirs")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://theirs")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "theirs")
    monkeypatch.setenv("KUBECONFIG", "/theirs")

    environment = laptop_environment(layout)

    assert "theirs" not in " ".join(environment.values())
    assert environment["PULUMI_BACKEND_URL"] == layout.backend.as_uri()
    assert environment["KUBECONFIG"] == str(layout.state / "kubeconfig")
    assert environment["PATH"].startswith(str(layout.programs))


def test_the_passphrase_is_private_and_stays(layout: Layout) -> None:
    laptop_environment(layout)
    first = layout.passphrase.read_text()
    laptop_environment(layout)

    assert layout.passphrase.read_text() == first
    assert len(first) >= 32
    assert layout.passphrase.stat().st_mode & 0o777 == 0o600


def test_only_the_stand_ins_that_are_needed_are_on_path(layout: Layout) -> None:
    environment = {"PATH": "/usr/bin"}

    assert with_plugins(layout, environment, Plugins(True, True)) == environment
    one = with_plugins(layout, environment, Plugins(official_language=True, official_kubernetes=False))

    assert [path.name for path in layout.plugins.iterdir()] == [KUBERNETES]
    assert one["PATH"] == f"{layout.plugins}{os.pathsep}/usr/bin"
    assert one["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    with_plugins(layout, environment, Plugins(False, False))
    assert sorted(path.name for path in layout.plugins.iterdir()) == [LANGUAGE, KUBERNETES]


@pytest.mark.parametrize("pid", [2**22 + 1, os.getpid()], ids=["gone", "given to a stranger"])
def test_the_lock_of_a_killed_pulumi_is_removed_and_said(layout: Layout, pid: int) -> None:
    lock(layout, pid)
    pulumi_is(layout, f'#!/bin/sh\necho "$@" > {layout.root}/called\n')

    said = Engine(layout, os.environ).release_stale_lock("local")

    assert said == f"lock: the pulumi of an earlier run (pid {pid}) is gone, its lock was removed"
    assert (layout.root / "called").read_text() == "--non-interactive cancel --yes --stack local\n"


def test_the_lock_of_a_working_pulumi_is_left_alone(layout: Layout) -> None:
    pulumi_is(layout, "#!/bin/sh\nread never\n")
    with subprocess.Popen([layout.programs / "pulumi"], stdin=subprocess.PIPE) as working:
        lock(layout, working.pid)

        with pytest.raises(LocalError, match=rf"another pulumi \(pid {working.pid}\) is at work"):
            Engine(layout, os.environ).release_stale_lock("local")


def test_without_a_lock_there_is_nothing_to_say(layout: Layout) -> None:
    assert Engine(layout, os.environ).release_stale_lock("local") is None


def test_ctrl_c_reaches_pulumi_once_and_is_waited_for(layout: Layout) -> None:
    pulumi_is(layout, PULUMI_THAT_FINISHES.format(root=layout.root))
    ours = subprocess.Popen([sys.executable, "-c", STREAM, str(layout.root)], cwd=ROOT)
    deadline = time.monotonic() + 10
    while not (layout.root / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    ours.send_signal(signal.SIGINT)

    assert ours.wait(10) == 130
    assert (layout.root / "signals").read_text() == "INT\n"
    assert (layout.root / "finished").exists(), "pulumi was left to finish what was under way"


def test_a_failed_pulumi_speaks_its_own_words(layout: Layout) -> None:
    pulumi_is(layout, "#!/bin/sh\necho 'error: no stack' >&2\nexit 255\n")

    with pytest.raises(LocalError, match="pulumi stack: error: no stack"):
        Engine(layout, os.environ).read("stack", "output")


def test_a_stack_file_that_cannot_be_read_is_one_message(tmp_path: Path) -> None:
    broken = tmp_path / "Pulumi.local.yaml"
    with pytest.raises(LocalError, match=r"there is no Pulumi\.local\.yaml beside Pulumi\.yaml"):
        stack_config.load_settings(broken)
    for text in ("config: [", "config: {}", "just text", ""):
        broken.write_text(text)
        with pytest.raises(LocalError, match="has no readable `config: llmserve:settings:`"):
            stack_config.load_settings(broken)


def test_the_checkout_is_found_from_any_folder_inside(tmp_path: Path) -> None:
    assert find(ROOT / "tests" / "unit") == Layout(ROOT)
    assert find(tmp_path) is None


def checkpoint(layout: Layout, **contents: str) -> Path:
    folder = layout.backend / ".pulumi/stacks/llmserve"
    folder.mkdir(parents=True)
    for suffix, content in contents.items():
        (folder / f"local.json{'.bak' if suffix == 'bak' else ''}").write_text(content)
    return folder / "local.json"


def test_a_half_written_state_is_replaced_by_the_last_whole_one(layout: Layout) -> None:
    state = checkpoint(layout, now='{"version": 3, "chec', bak='{"version": 3}')
    told = Engine(layout, {}).restore_checkpoint("local")
    assert told is not None
    assert "put back" in told
    assert state.read_text() == '{"version": 3}'


def test_a_whole_state_is_left_alone_and_none_at_all_is_no_fault(layout: Layout) -> None:
    assert Engine(layout, {}).restore_checkpoint("local") is None
    state = checkpoint(layout, now='{"version": 3}', bak="")
    assert Engine(layout, {}).restore_checkpoint("local") is None
    assert state.read_text() == '{"version": 3}'


def test_a_half_written_file_of_attributes_is_dropped_and_the_state_kept(layout: Layout) -> None:
    """Pulumi says of it: failed to load checkpoint: EOF."""
    state = checkpoint(layout, now='{"version": 3}')
    attributes = state.with_name(f"{state.name}.attrs")
    attributes.write_text("")
    assert Engine(layout, {}).restore_checkpoint("local") is None
    assert not attributes.exists()
    assert state.read_text() == '{"version": 3}'


def test_a_state_of_which_nothing_whole_is_left_is_told_with_the_way_out(layout: Layout) -> None:
    checkpoint(layout, now="")
    with pytest.raises(LocalError, match="make down"):
        Engine(layout, {}).restore_checkpoint("local")
