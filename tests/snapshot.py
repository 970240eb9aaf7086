"""Golden files: compared as they are, rewritten only when LLMSERVE_SNAP=1 (`make snap`)."""

import os
from pathlib import Path

SNAPSHOTS = Path(__file__).parent / "snapshots"


def assert_snapshot(name: str, text: str) -> None:
    """Compare `text` with the golden file `name`; a missing file fails like a different one."""
    path = SNAPSHOTS / name
    if os.environ.get("LLMSERVE_SNAP") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    recorded = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == recorded, f"{name} differs from the golden file; review, then `make snap`"
