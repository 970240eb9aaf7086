"""The flag tables: what each release of an engine accepts, from the YAML file beside each adapter."""

from functools import cache
from typing import Any, Literal

from pydantic import Field

from components.spec import EngineName, FlagValue, Spec
from planner.data_files import package_file

FlagKind = Literal["value", "switch", "bare", "optional"]
"""value: takes a value. switch: `--x` or `--no-x`. bare: `--x` only. optional: with or without a value."""
_KINDS: tuple[FlagKind, ...] = ("value", "switch", "bare", "optional")


class Release(Spec):
    """What one release of an engine accepts."""

    source: str
    """Where the names were read, and when."""
    complete: bool
    """False: the list may miss flags, so that an unknown one is a warning only."""
    image: str
    min_compute_capability: float
    """Least NVIDIA compute capability the image runs on."""
    quantization: tuple[str, ...] = ()
    dtype: tuple[str, ...] = ()
    kv_cache_dtype: tuple[str, ...] = ()
    flags: dict[str, FlagKind]
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other spelling -> name in `flags`."""
    deprecated: dict[str, str] = Field(default_factory=dict)
    """Flag that still works -> advice."""


class EngineTable(Spec):
    """All releases of one engine."""

    default: str
    """The release llmserve was tested with."""
    removed: dict[str, str] = Field(default_factory=dict)
    """Flag that a known release has not any more -> what to write instead."""
    removed_values: dict[str, str] = Field(default_factory=dict)
    """Quantisation that a known release has not any more -> what to do instead."""
    versions: dict[str, Release]


@cache
def table(engine: EngineName) -> EngineTable:
    """The flag table of an engine."""
    data: dict[str, Any] = package_file("components.engines", f"{engine.replace('-', '_')}.yaml")
    releases: dict[str, Any] = data["versions"]
    return EngineTable(
        **data | {"versions": {version: Release(**_resolve(releases, version)) for version in releases}}
    )


def release(engine: EngineName, version: str) -> Release:
    """What this release accepts.

    Raises ValueError for a release that is not in the table.
    """
    known = table(engine).versions
    if version not in known:
        raise ValueError(f"{engine} {version} is not known; known: {', '.join(known)}")
    return known[version]


def flag_args(known: Release, flags: dict[str, FlagValue | tuple[str, ...]]) -> tuple[str, ...]:
    """Write flags as the engine reads them, in the order given.

    A switch that is off becomes `--no-x`, a bare flag that is off is left out, a tuple is several values.
    """
    return tuple(arg for name, value in flags.items() for arg in _flag(known, name, value))


def _flag(known: Release, name: str, value: FlagValue | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return (f"--{name}", *value)
    if isinstance(value, bool) and "." in name:  # vLLM: one key of a JSON flag, whose value is JSON
        return (f"--{name}", str(value).lower())
    if value is True:
        return (f"--{name}",)
    if value is False:
        return (f"--no-{name}",) if known.flags.get(name) == "switch" else ()
    return (f"--{name}", str(value))


def _resolve(releases: dict[str, Any], version: str) -> dict[str, Any]:
    """Expand one release of the YAML file: names are blank-separated text, `like` names a base."""
    own = dict(releases[version])
    base = _resolve(releases, own.pop("like")) if "like" in own else {"flags": {}}
    gone = set(own.pop("without", "").split())
    flags = {name: kind for name, kind in base["flags"].items() if name not in gone}
    for kind in _KINDS:
        flags |= dict.fromkeys(own["flags"].get(kind, "").split(), kind)
    words = {
        key: tuple(own[key].split()) for key in ("quantization", "dtype", "kv_cache_dtype") if key in own
    }
    return {**base, **own, **words, "flags": flags}
