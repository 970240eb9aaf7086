"""The process node stays small enough to be read whole: it runs manifests as programs of the user's."""

from tests.stack_files import ROOT

MOST_LINES = 2600
"""All lines, as `ruff format` leaves them. The plan said 1,400; all that was asked of the node takes more."""


def test_the_node_stays_readable() -> None:
    files = {path: len(path.read_text("utf-8").splitlines()) for path in (ROOT / "local/node").glob("*.py")}
    assert sum(files.values()) <= MOST_LINES
    assert max(files.values()) <= 250, "a file is read without losing the thread"
