"""What can be wrong with an engine's settings, whichever the engine. Pure."""

import re
from collections.abc import Iterator

from components.engines.base import Adapter
from components.engines.table import FlagKind, Release, table
from components.images import image_findings
from components.spec import EngineSpec, FlagValue
from planner.finding import Finding, error, nearest, warning

_SECRET = re.compile(r"(?i)(^|[-_])(api[-_]?key|token|authtoken|secret|password)$")
_CHOICES = ("quantization", "dtype", "kv_cache_dtype")


def engine_findings(adapter: Adapter, spec: EngineSpec, path: str) -> list[Finding]:
    """Everything wrong or risky in `spec`; `path` is the dotted path of the version's settings."""
    return [*_common(adapter, spec, path), *adapter.own_findings(spec, path)]


def _common(adapter: Adapter, spec: EngineSpec, path: str) -> list[Finding]:
    """Findings about image, version, fields, flags and environment."""
    found = [*image_findings(spec.image, f"{path}.image"), *_fields(adapter, spec, path)]
    versions = table(adapter.engine).versions
    known = versions.get(spec.engine_version)
    if known is None:
        message = f"{adapter.engine} {spec.engine_version} has no flag table"
        return [error(f"{path}.engine_version", message, f"known: {', '.join(versions)}"), *found]
    rules = (_choices, _env, _flags)
    return [*found, *(finding for rule in rules for finding in rule(adapter, spec, known, path))]


def is_secret(name: str) -> bool:
    """Whether a flag or variable of this name would carry a secret."""
    return _SECRET.search(name) is not None


def _fields(adapter: Adapter, spec: EngineSpec, path: str) -> Iterator[Finding]:
    supported = {*adapter.fields, *adapter.special_fields}
    settable = {
        "revision",
        "tensor_parallel",
        "pipeline_parallel",
        "max_model_len",
        "max_input_tokens",
        "max_num_seqs",
        "max_num_batched_tokens",
        "gpu_memory_utilization",
        "quantization",
        "dtype",
        "kv_cache_dtype",
        "prefix_caching",
        "chunked_prefill",
    }
    for field in sorted(settable - supported):
        if getattr(spec, field) != EngineSpec.model_fields[field].default:
            yield error(f"{path}.{field}", f"{adapter.engine} has no such setting", "remove it")


def _choices(adapter: Adapter, spec: EngineSpec, known: Release, path: str) -> Iterator[Finding]:
    for field in _CHOICES:
        value, allowed = getattr(spec, field), getattr(known, field)
        if value is None or not allowed or value in allowed:
            continue
        fix = table(adapter.engine).removed_values.get(value) or nearest(value, allowed)
        message = f"{value!r} is not known to {adapter.engine} {spec.engine_version}"
        yield error(f"{path}.{field}", message, fix)


def _env(adapter: Adapter, spec: EngineSpec, known: Release, path: str) -> Iterator[Finding]:
    owners, prefix = _owners(adapter), adapter.env_prefix
    for name in spec.env:
        where = f"{path}.env.{name}"
        if is_secret(name):
            yield error(where, "would stand in clear in the cluster", "use model_token")
        elif name in owners:
            yield error(where, f"is set by {owners[name]}", _use(owners[name]))
        elif prefix is not None and name.startswith(prefix) and name not in known.flags:
            yield _unknown(adapter, spec, known, where, name)


def _flags(adapter: Adapter, spec: EngineSpec, known: Release, path: str) -> Iterator[Finding]:
    owners = _owners(adapter)
    for name, value in spec.flags.items():
        where = f"{path}.flags.{name}"
        if adapter.env_prefix is not None:
            yield error(where, f"{adapter.engine} takes no flags", f"use env: {adapter.env_prefix}...")
            continue
        base = name.split(".")[0]  # vLLM takes one key of a JSON flag as --flag.key
        flag = known.aliases.get(base, base)
        if is_secret(name):
            yield error(where, "would stand in clear in the pod", "remove it; weights: use model_token")
        elif flag in owners:
            yield error(where, f"is set by {owners[flag]}", _use(owners[flag]))
        elif flag in known.flags:
            yield from _value(where, name, value, known.flags[flag])
            if flag in known.deprecated:
                yield warning(where, f"is deprecated in {spec.engine_version}", known.deprecated[flag])
        else:
            yield _unknown(adapter, spec, known, where, flag)


def _value(where: str, name: str, value: FlagValue, kind: FlagKind) -> Iterator[Finding]:
    if kind == "value" and isinstance(value, bool) and "." not in name:
        yield error(where, "needs a value", f"give one: {name}: ...")
    elif kind in ("switch", "bare") and not isinstance(value, bool) and "." not in name:
        yield error(where, f"takes no value, and {value!r} is given", f"write {name}: true")
    elif kind in ("bare", "optional") and value is False:
        yield error(where, "has no off form", "remove it: it is off when it is absent")


def _unknown(adapter: Adapter, spec: EngineSpec, known: Release, where: str, flag: str) -> Finding:
    engine = table(adapter.engine)
    message = f"{adapter.engine} {spec.engine_version} has no such flag"
    inverse = _inverse(flag, known)
    if inverse is not None:
        return error(where, message, f"write {inverse}: false")
    if flag in engine.removed:
        successor = engine.removed[flag]
        fix = "remove it" if successor.startswith("nothing") else f"use {successor}"
        return error(where, f"was removed before {adapter.engine} {spec.engine_version}", fix)
    later = [version for version, release in engine.versions.items() if flag in release.flags]
    if later:
        return error(where, message, f"use engine_version {', '.join(later)}")
    if not known.complete:
        return warning(where, f"is not in the table of {spec.engine_version}", "check it: the table has gaps")
    return error(where, message, nearest(flag, known.flags))


def _inverse(flag: str, known: Release) -> str | None:
    """The switch that `flag` turns off, as `no-x` or `disable-x` for `enable-x`."""
    candidates = (flag.removeprefix("no-"), flag.replace("disable-", "enable-", 1))
    return next((name for name in candidates if name != flag and known.flags.get(name) == "switch"), None)


def _owners(adapter: Adapter) -> dict[str, str]:
    by_field = {**adapter.special_fields, **adapter.fields}
    owners = dict.fromkeys(adapter.fixed, "llmserve")
    return owners | {flag: field for field, flag in by_field.items()}


def _use(owner: str) -> str:
    return "remove it" if owner == "llmserve" else f"use {owner} and remove it here"
