"""Changes the `traffic` of one model in a stack file, and not a byte beside it.

The file is never written anew from data: ruamel.yaml says at which characters the weights stand, and only
those are replaced. Comments, order, quotes, indents and line ends stay as they are.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

from release.errors import ReleaseError

SETTINGS_KEY = "llmserve:settings"
Edit = tuple[int, int, str]
"""From this character to before that one, this text instead."""


def read(path: Path) -> str:
    """Text of the file with its own line ends. Raises ReleaseError if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ReleaseError(f"{path}: cannot be read ({problem}); name a stack file") from None


def digest(text: str) -> str:
    """SHA-256 of the text: tells whether somebody else has edited the file."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: Path, text: str) -> None:
    """Replace the file in one step: who reads it, even after a crash, finds all of the old or of the new."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def weights(text: str, model: str) -> dict[str, int]:
    """Percent per version as the file says, zeros included. Raises ReleaseError, see `set_weights`."""
    found = {}
    for key, value in _traffic(text, model).value:
        try:
            found[str(key.value)] = int(value.value)
        except (ValueError, TypeError):
            where = f"models.{model}.traffic.{key.value}"
            raise ReleaseError(f"{where}: {value.value!r} is no percent; write a whole number") from None
    return found


def set_weights(text: str, model: str, wanted: Mapping[str, int]) -> str:
    """Return the file's text with exactly these weights.

    A version that stays keeps its place, a new one comes last, one that is not wanted goes. To write what was
    there before gives the same text as before. Raises ReleaseError where the weights do not stand in the file
    as a mapping of their own.
    """
    node = _traffic(text, model)
    edits = _flow(node, wanted) if node.flow_style else _block(text, node, wanted)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    found = weights(text, model)
    if found != dict(wanted):
        raise ReleaseError(
            f"models.{model}.traffic: cannot be changed as it is written; use one line a version"
        )
    return text


def _flow(node: MappingNode, wanted: Mapping[str, int]) -> list[Edit]:
    """Edits of `{one: 90, two: 10}`."""
    edits, kept = _replaced(node, wanted)
    new = [f"{name}: {share}" for name, share in wanted.items() if name not in _names(node)]
    if not kept:
        return [(node.start_mark.index, node.end_mark.index, "{" + _pairs(wanted) + "}")]
    gone = [n for n, (key, _) in enumerate(node.value) if key.value not in wanted]
    for n in gone:
        if n > kept[0]:
            edits.append((node.value[n - 1][1].end_mark.index, node.value[n][1].end_mark.index, ""))
        else:
            edits.append((node.value[n][0].start_mark.index, node.value[n + 1][0].start_mark.index, ""))
    end = node.value[-1][1].end_mark.index
    return [*edits, (end, end, "".join(f", {pair}" for pair in new))]


def _block(text: str, node: MappingNode, wanted: Mapping[str, int]) -> list[Edit]:
    """Edits of weights that stand one on a line."""
    edits, kept = _replaced(node, wanted)
    if not kept:
        raise ReleaseError("traffic: none of its versions stays; write it in one line, as in {one: 100}")
    for key, value in node.value:
        if key.value not in wanted:
            start = _line_end(text, _line_start(text, key.start_mark.index) - 1)
            edits.append((start, _line_end(text, value.end_mark.index), ""))
    last_key, last_value = node.value[-1]
    indent, place = " " * last_key.start_mark.column, _line_end(text, last_value.end_mark.index)
    line_end = "\r\n" if "\r\n" in text else "\n"
    new = [f"{line_end}{indent}{name}: {n}" for name, n in wanted.items() if name not in _names(node)]
    return [*edits, (place, place, "".join(new))]


def _replaced(node: MappingNode, wanted: Mapping[str, int]) -> tuple[list[Edit], list[int]]:
    """Edits of the weights that change, and places in the mapping of the versions that stay."""
    edits, kept = [], []
    for n, (key, value) in enumerate(node.value):
        if key.value not in wanted:
            continue
        kept.append(n)
        if value.value != str(wanted[key.value]):
            edits.append((value.start_mark.index, value.end_mark.index, str(wanted[key.value])))
    return edits, kept


def _names(node: MappingNode) -> set[str]:
    return {str(key.value) for key, _ in node.value}


def _pairs(wanted: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {share}" for name, share in wanted.items())


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Where the line's own text ends, before its line end of one or two characters."""
    found = text.find("\n", at)
    if found < 0:
        return len(text)
    return found - 1 if text[found - 1] == "\r" else found


def _traffic(text: str, model: str) -> MappingNode:
    """The mapping below `models.<model>.traffic`, with places. Raises ReleaseError if there is none."""
    try:
        node: Any = YAML().compose(text)
    except YAMLError as wrong:
        raise ReleaseError(f"the stack file is not YAML: {' '.join(str(wrong).split())[:300]}") from None
    where = ("config", SETTINGS_KEY, "models", model, "traffic")
    for depth, name in enumerate(where):
        path = ".".join(where[2 : depth + 1]) or name
        found = [value for key, value in _items(node) if key.value == name]
        if len(found) != 1:
            raise ReleaseError(
                f"{path}: stands not once but {len(found)} times in the file; write it there once"
            )
        node = found[0]
        if node.anchor:
            raise ReleaseError(f"{path}: carries an anchor, others may share it; write its weights out")
    plain = isinstance(node, MappingNode) and all(isinstance(v, ScalarNode) for _, v in node.value)
    if not plain or any(key.tag.endswith(":merge") for key, _ in node.value):
        raise ReleaseError(f"models.{model}.traffic: is no mapping of its own; write its weights out")
    mapping: MappingNode = node
    return mapping


def _items(node: Any) -> list[tuple[Any, Any]]:
    return node.value if isinstance(node, MappingNode) else []
