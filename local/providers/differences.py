"""Which properties differ between two sets of inputs, as paths that the engine shows."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pulumi.runtime.proto import provider_pb2 as wire


def touch(path: str, field: str) -> bool:
    """Whether one path is, or lies within, the other."""
    shorter, longer = sorted((path, field), key=len)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Return each path that differs with ADD, DELETE or UPDATE."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old | new):
            plain = key.replace("_", "").isalnum()
            step = f"{'.' if path else ''}{key}" if plain else f'["{key}"]'
            yield from differences(old.get(key), new.get(key), path + step)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (items[index] if index < len(items) else None for items in (old, new))
            yield from differences(before, after, f"{path}[{index}]")
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, "ADD" if old is None else "DELETE" if new is None else "UPDATE"


def diff_response(paths: Mapping[str, str], replacing: Collection[str], *, delete_first: bool) -> Any:
    """Answer a Diff: paths with ADD, DELETE or UPDATE, those that need a new object, in which order."""
    kinds: Any = {path: kind + "_REPLACE" * (path in replacing) for path, kind in paths.items()}
    details = {path: wire.PropertyDiff(kind=kind, inputDiff=True) for path, kind in kinds.items()}
    changes: Any = "DIFF_SOME" if paths else "DIFF_NONE"
    return wire.DiffResponse(
        changes=changes,
        diffs=sorted({path.split(".")[0].split("[")[0] for path in paths}),
        replaces=sorted(replacing),
        deleteBeforeReplace=delete_first,
        detailedDiff=details,
        hasDetailedDiff=True,
    )
