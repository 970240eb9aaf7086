"""`make down`: ends every process and deletes every file of a laptop run, however broken it is."""

import shutil

from rich.console import Console

from local import cluster, process_node, processes
from local.layout import KEPT_BY_DOWN, Layout


def down(layout: Layout, console: Console) -> None:
    """Stop all of ours and delete `.local` but for the programs; says what was there."""
    if process_node.stop(layout):
        console.print("  ended the process node and its pods", highlight=False)
    for name in cluster.stop(layout.state, layout.programs):
        console.print(f"  ended {name}", highlight=False, soft_wrap=True)
    for name, left in sorted(processes.ours(layout.state).items()):
        processes.kill(left)
        console.print(f"  ended {name}", highlight=False, soft_wrap=True)
    if layout.state.is_dir():
        for path in layout.state.iterdir():
            if path.name in KEPT_BY_DOWN:
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    console.print(
        "down: no process, port or state is left. Kept: the programs in .local/bin, LiteLLM, Go's and pip's "
        "caches (`make clean` deletes .local and .venv)",
        highlight=False,
        soft_wrap=True,
    )
