"""The command line of an engine, as its flag table in components/engines/<engine>.yaml says."""

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml

from local.errors import LocalError

SEVERAL = frozenset({"served-model-name", "uvicorn-access-log-exclude-prefixes"})
"""Flags that take more than one value and that the adapters write; others are held to one."""
_CHOICES = {
    "quantization": "quantization",
    "quantize": "quantization",
    "dtype": "dtype",
    "kv-cache-dtype": "kv_cache_dtype",
}
"""Flag -> list of its allowed values in the table."""
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}


class UsageError(Exception):
    """The command line is wrong; the message is the engine's own."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What one release accepts."""

    version: str
    kinds: dict[str, str]
    aliases: dict[str, str]
    choices: dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """How an engine reads its command line, and how it complains."""

    program: str
    usage: str
    style: Literal["argparse", "clap", "click"]
    positional: str | None = None


class Arguments:
    """A parsed command line, by flag name without dashes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """The value of a flag, None if it is absent."""
        value = self._values.get(name)
        return None if value is None else str(value)

    def several(self, name: str) -> list[str]:
        """All values of a flag of `SEVERAL`."""
        return list(self._values.get(name) or ())

    def on(self, name: str) -> bool:
        """Whether a switch is on; False if it is absent."""
        return bool(self._values.get(name))

    def number(self, name: str) -> int | None:
        """A whole number, with vLLM's units (1k = 1000, 1K = 1024); None if absent. Raises UsageError."""
        text = self.text(name)
        if text is None:
            return None
        unit = _UNITS.get(text[-1:], 1)
        try:
            return int(text if unit == 1 else text[:-1]) * unit
        except ValueError:
            raise UsageError(f"argument --{name}: invalid int value: {text!r}") from None


def release(engine: str, version: str | None) -> Release:
    """Read the flag table of a release, None = its default. Raises LocalError for an unknown release."""
    found = importlib.util.find_spec("components")
    if found is None or not found.submodule_search_locations:
        raise LocalError("the flag tables (package `components`) are not installed")
    path = Path(found.submodule_search_locations[0], "engines", f"{engine}.yaml")
    data = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    chosen = version or str(data["default"])
    if chosen not in data["versions"]:
        known = ", ".join(data["versions"])
        raise LocalError(f"SIM_ENGINE_VERSION: {engine} {chosen} has no flag table; known: {known}")
    merged = _merged(data["versions"], chosen)
    return Release(
        version=chosen,
        kinds=merged["flags"],
        aliases=merged.get("aliases", {}),
        choices={flag: tuple(merged[key].split()) for flag, key in _CHOICES.items() if key in merged},
    )


def parse(line: CommandLine, known: Release, argv: Sequence[str]) -> Arguments:
    """Read `argv`. Raises UsageError with the engine's own words for anything its release does not know."""
    parser = _Parser(prog=line.program, add_help=False, allow_abbrev=False)
    if line.positional is not None:
        parser.add_argument(line.positional, nargs="?")
    aliases: dict[str, list[str]] = {}
    for alias, name in known.aliases.items():
        aliases.setdefault(name, []).append(alias)
    for name, kind in known.kinds.items():
        _add(parser, known, kind, name, [name, *aliases.get(name, [])])
    values, unknown = parser.parse_known_args(list(_plain(known, argv)))
    if unknown:
        raise UsageError(_unknown(line, unknown))
    return Arguments(vars(values))


def complaint(line: CommandLine, message: str) -> str:
    """The text an engine writes to stderr before it exits with 2."""
    if line.style == "clap":
        return f"error: {message}\n\nUsage: {line.usage}\n\nFor more information, try '--help'."
    if line.style == "click":
        return f"Usage: {line.usage}\nTry '{line.program} --help' for help.\n\nError: {message}"
    return f"usage: {line.usage}\n{line.program}: error: {message}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _add(parser: _Parser, known: Release, kind: str, name: str, names: list[str]) -> None:
    options = [f"--{each}" for each in names]
    if kind == "switch":
        parser.add_argument(*options, dest=name, action=argparse.BooleanOptionalAction)
    elif kind == "bare":
        parser.add_argument(*options, dest=name, action="store_true")
    elif kind == "optional":
        parser.add_argument(*options, dest=name, nargs="?", const="")
    elif name in SEVERAL:
        parser.add_argument(*options, dest=name, nargs="+")
    else:
        parser.add_argument(*options, dest=name, choices=known.choices.get(name) or None)


def _plain(known: Release, argv: Sequence[str]) -> list[str]:
    """Spell flags as the table does: vLLM takes `_` for `-`, and one key of a JSON flag as --flag.key."""
    underscores = any("_" in name for name in known.kinds)
    plain = []
    for word in argv:
        flag, equals, value = word.partition("=")
        if flag.startswith("--"):
            flag = flag if underscores else flag.replace("_", "-")
            base = flag[2:].split(".")[0]
            flag = f"--{base}" if known.kinds.get(base) == "value" else flag
        else:
            flag, equals, value = word, "", ""
        plain.append(f"{flag}{equals}{value}")
    return plain


def _unknown(line: CommandLine, words: list[str]) -> str:
    if line.style == "argparse":
        return f"unrecognized arguments: {' '.join(words)}"
    flag = words[0].partition("=")[0]
    if line.style == "clap":
        return f"unexpected argument '{flag}' found"
    return f"No such option: {flag}" if flag.startswith("-") else f"Got unexpected extra argument ({flag})"


def _merged(releases: dict[str, Any], version: str) -> dict[str, Any]:
    """One release with the release it is `like`: minus `without`, plus its own flags."""
    own = dict(releases[version])
    base = _merged(releases, own["like"]) if "like" in own else {"flags": {}}
    gone = set(own.get("without", "").split())
    kinds = {name: kind for name, kind in base["flags"].items() if name not in gone}
    for kind, names in own["flags"].items():
        kinds |= dict.fromkeys(names.split(), kind)
    return {**base, **own, "flags": kinds}
