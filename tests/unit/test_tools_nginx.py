"""nginx is found, fetched, or told to be missing in words."""

import shutil
from pathlib import Path

import pytest

from tools import nginx
from tools.programs import ToolsError

GOOD = "#!/bin/sh\n"
APT = """#!/bin/sh
case "$*" in
  *update*) touch updated;;
  *) [ -z "$NEEDS_LISTS" ] || [ -e updated ] || { echo no lists >&2; exit 100; }; touch nginx_1.deb;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/sbin"
[ -n "$IS_EMPTY" ] || { printf '#!/bin/sh\\n' > "$3/usr/sbin/nginx"; chmod +x "$3/usr/sbin/nginx"; }
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, but for a few of the system's small programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "touch", "mkdir", "chmod"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(nginx, "SYSTEM_FOLDER", str(folder))
    return folder


def put(folder: Path, **programs: str) -> None:
    for name, text in programs.items():
        file = folder / name.replace("_", "-")
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)


def test_nginx_of_the_path_is_taken(path: Path, tmp_path: Path) -> None:
    put(path, nginx=GOOD)
    assert nginx.nginx_program(tmp_path) == path / "nginx"


@pytest.mark.parametrize("lists", ["", "1"])
def test_the_package_is_unpacked_once_with_lists_of_our_own_where_there_are_none(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lists: str
) -> None:
    put(path, apt_get=APT, dpkg_deb=DPKG)
    monkeypatch.setenv("NEEDS_LISTS", lists)
    program = nginx.nginx_program(tmp_path)
    assert program == tmp_path / ".local/nginx/usr/sbin/nginx"
    (path / "apt-get").unlink()
    assert nginx.nginx_program(tmp_path) == program


@pytest.mark.usefixtures("path")
def test_without_apt_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolsError, match=r"nginx is not on PATH, and there is no apt-get .*; install nginx"):
        nginx.nginx_program(tmp_path)


def test_a_registry_that_does_not_answer_is_told(path: Path, tmp_path: Path) -> None:
    put(path, apt_get="#!/bin/sh\necho no such host >&2; exit 100\n", dpkg_deb=DPKG)
    with pytest.raises(ToolsError, match=r"apt-get .* failed: no such host; install nginx"):
        nginx.nginx_program(tmp_path)


def test_a_package_without_the_program_is_told(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path, apt_get=APT, dpkg_deb=DPKG)
    monkeypatch.setenv("IS_EMPTY", "1")
    with pytest.raises(ToolsError, match="holds no usr/sbin/nginx"):
        nginx.nginx_program(tmp_path)
