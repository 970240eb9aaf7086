"""What the installed SDK says of a resource type: inputs at any depth, which are required, outputs.

Its modules take seconds to import, so what was read is kept in a file beside the account.
"""

import inspect
import json
import os
import sys
import threading
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from local.providers.launchers import CLOUD_FOLDER
from local.providers.protocol import UNKNOWN, Json
from planner.finding import Finding, error, nearest

SCALARS = {str: "text", bool: "a boolean", int: "a whole number", float: "a number"}
SHAPES = {dict: "an object", list: "a list"}


@cache
def resource_type(token: str) -> Json | None:
    """Return a type such as `aws:ec2/vpc:Vpc`: its `inputs`, an object, and `outputs`, all its names.

    None if the SDK has no such resource. An object has `types` by wire name (camelCase) and `required`; a
    type is a list of what a value may be: a word of SCALARS, or {"object" | "map" | "list": of what}.
    """
    folder = os.environ.get(CLOUD_FOLDER)
    name = f"{token.replace(':', '.').replace('/', '.')}-{metadata.version('pulumi-aws')}.json"
    kept = Path(folder).with_name("aws-sdk") / name if folder else None
    if kept and kept.is_file():
        known: Json = json.loads(kept.read_text(encoding="utf-8"))
        return known
    found = _from_sdk(token)
    if kept and found:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        partial.write_text(json.dumps(found), encoding="utf-8")
        partial.replace(kept)
    return found


def findings(inputs: Json, values: Mapping[str, Any], path: str = "") -> Iterator[Finding]:
    """Tell every unknown key, missing input and value of a wrong kind. What is not known yet passes."""
    for name in sorted(set(inputs["required"]) - set(values)):
        yield error(f"{path}{name}", "is missing", f"give {_called(inputs['types'][name])}")
    for name, value in values.items():
        if name not in inputs["types"]:
            yield error(f"{path}{name}", "there is no such input", nearest(name, inputs["types"]))
        else:
            yield from _value_findings(inputs["types"][name], value, f"{path}{name}")


def _value_findings(kinds: list[Any], value: Any, path: str) -> Iterator[Finding]:
    if value is None or value == UNKNOWN:
        return
    nested = {key: inner for kind in kinds if isinstance(kind, dict) for key, inner in kind.items()}
    if isinstance(value, dict) and "object" in nested:
        yield from findings(nested["object"], value, f"{path}.")
    elif isinstance(value, dict) and "map" in nested:
        for key, item in value.items():
            yield from _value_findings(nested["map"], item, f"{path}[{key!r}]")
    elif isinstance(value, list) and "list" in nested:
        for index, item in enumerate(value):
            yield from _value_findings(nested["list"], item, f"{path}[{index}]")
    elif isinstance(value, dict | list) or not any(_fits(kind, value) for kind in kinds):
        yield error(path, f"is {(SHAPES | SCALARS)[type(value)]}", f"give {_called(kinds)}")


def _fits(kind: Any, value: Any) -> bool:
    """Whether a scalar fits, with the conversions between text, numbers and booleans that Pulumi makes."""
    if kind == SCALARS[bool]:
        return str(value).lower() in ("true", "false")
    if kind in (SCALARS[int], SCALARS[float]):
        try:
            return not isinstance(value, bool) and (float(value).is_integer() or kind == SCALARS[float])
        except ValueError:
            return False
    return bool(kind == SCALARS[str])


def _called(kinds: list[Any]) -> str:
    return kinds[0] if isinstance(kinds[0], str) else SHAPES[list if "list" in kinds[0] else dict]


def _from_sdk(token: str) -> Json | None:
    types = import_module("pulumi._types")
    _, module_name, class_name = token.split(":")
    try:
        cls = getattr(import_module(f"pulumi_aws.{module_name.split('/')[0]}"), class_name)
    except (ImportError, AttributeError):
        return None
    module = sys.modules[cls.__module__]  # where a nested object has the name, the arguments are `InitArgs`
    args = getattr(module, f"{class_name}InitArgs", None) or getattr(module, f"{class_name}Args")

    def read(args: type) -> Json:
        names, hints = types.input_type_py_to_pulumi_names(args), types.input_type_types(args)
        parameters = inspect.signature(args).parameters.items()
        required = [names[name] for name, parameter in parameters if parameter.default is parameter.empty]
        return {"types": {name: kinds(hint) for name, hint in hints.items()}, "required": required}

    def kinds(hint: Any) -> list[Any]:
        origin = get_origin(hint)
        if origin is Union:
            return [kind for member in get_args(hint) for kind in kinds(member)]
        if origin in (Sequence, Mapping):
            return [{"list" if origin is Sequence else "map": kinds(get_args(hint)[-1])}]
        if types.is_input_type(hint):
            return [{"object": read(hint)}]
        plumbing = hint is type(None) or origin is Awaitable or "Output" in str(origin)
        return [] if plumbing else [SCALARS.get(hint, SCALARS[str])]

    return {"inputs": read(args), "outputs": sorted(types.resource_types(cls))}
