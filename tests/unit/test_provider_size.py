"""The stand-ins stay small, because people must read them to trust them."""

import subprocess
import sys
from pathlib import Path

from local.providers.launchers import LAUNCHERS, write_launchers
from tests.stack_files import ROOT

FOLDER = ROOT / "local" / "providers"


def test_the_stand_ins_stay_small() -> None:
    """All lines count, blank ones too, as `ruff format` leaves them; the launchers are no stand-in."""
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", FOLDER], capture_output=True
    )
    assert formatted.returncode == 0, "the count is of formatted lines"
    files = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FOLDER.rglob("*.py")}
    launchers = files.pop(FOLDER / "launchers.py")
    aws = sum(lines for path, lines in files.items() if path.parent.name == "aws")
    assert aws <= 900
    assert sum(files.values()) - aws <= 1200
    assert max(launchers, *files.values()) <= 250


def test_a_launcher_runs_from_anywhere_with_the_given_python(tmp_path: Path) -> None:
    python = tmp_path / "a folder with spaces" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho by-this-python "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    write_launchers(tmp_path / "launchers", python, LAUNCHERS)
    for name, module in LAUNCHERS.items():
        said = subprocess.run(
            [tmp_path / "launchers" / name, "127.0.0.1:1"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert said.startswith("by-this-python -P -c")
        assert f"from {module} import main; gc.enable(); main()" in said
        assert said.endswith(" 127.0.0.1:1\n"), "the engine's address is the last argument"


def test_the_aws_program_is_there_only_where_its_stand_in_is(tmp_path: Path) -> None:
    write_launchers(tmp_path, Path(sys.executable), LAUNCHERS)
    assert {path.name for path in tmp_path.iterdir()} == set(LAUNCHERS)
    write_launchers(tmp_path, Path(sys.executable), ["pulumi-language-python"])
    assert [path.name for path in tmp_path.iterdir()] == ["pulumi-language-python"]
