"""Which properties differ between two sets of inputs, as paths that the engine shows."""

from collections.abc import Iterator
from typing import Any


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
