"""What an object of AWS is, by its inputs and the catalogue: its name, id, tags and outputs. Pure."""

import hashlib
import json
import re
from typing import Any

from local.providers.aws.catalogue import behaviours, functions
from local.providers.aws.schema import resource_type
from local.providers.protocol import UNKNOWN, Json, PluginError, sealed

ACCOUNT = "000000000000"
"""No account of AWS has this number: an ARN of the stand-in is seen to be one."""
RANDOM_DIGITS = 7  # of a made name, as pulumi-terraform-bridge has it
MADE = "__defaults"
"""Input that lists which others were made up, as the official provider keeps it."""


def settings(arguments: Json) -> Json:
    """Return the region and the default tags of a provider, whose arguments arrive as JSON text."""
    if not arguments.get("region"):
        raise PluginError('region: is missing; give the provider a region, such as "us-west-2"')
    tags = arguments.get("defaultTags") or "{}"
    known = json.loads(tags) if tags != UNKNOWN else {}
    return {"region": arguments["region"], "tags": known.get("tags") or {}}


def completed(token: str, name: str, old: Json, new: Json, defaults: Json, seed: bytes) -> Json:
    """Return inputs with what the official provider adds: region, all tags, a name. May raise PluginError.

    `defaults` are the provider's `settings`. A made name is kept as long as `old` has it.
    """
    sdk, inputs = resource_type(token), dict(new)
    if token not in behaviours():
        raise PluginError("the stand-in does not know this resource: add a row to its catalogue.yaml")
    behaviour, key = behaviours()[token], behaviours()[token].name
    if sdk and "region" in sdk["inputs"]["types"]:
        inputs["region"] = new.get("region") or defaults["region"]
    if sdk and "tagsAll" in sdk["outputs"]:
        tags = new.get("tags") or {}
        inputs["tagsAll"] = {**defaults["tags"], **tags} if isinstance(tags, dict) else tags
    if key and not new.get(key) and not new.get(f"{key}Prefix"):
        made = f"{behaviour.name_prefix}{name}-{hashlib.sha256(seed).hexdigest()[:RANDOM_DIGITS]}"
        made = old[key] if key in old.get(MADE, ()) else made.lower() if key == "bucket" else made
        if len(made) > behaviour.name_max:
            fix = f"shorten the resource's name, or set {key}"
            raise PluginError(f"{key}: {made} is longer than {behaviour.name_max} characters; {fix}")
        inputs |= {key: made, MADE: [key]}
    return inputs


def identified(token: str, inputs: Json, region: str, seed: str, revision: int = 1) -> tuple[str, Json]:
    """Return the id and the outputs of an object that exists; the same seed gives the same digits."""
    behaviour = behaviours()[token]
    values = {"path": "/", "region": region, "account": ACCOUNT, "revision": revision, **inputs}
    values["id"] = _filled(behaviour.id, values, seed)
    made = behaviour.outputs | ({"arn": behaviour.arn} if behaviour.arn else {})
    return values["id"], _merged(seen(inputs), _filled(made, values, seed))


def foreseen(token: str, inputs: Json, old: Json | None = None, old_outputs: Json | None = None) -> Json:
    """Return the outputs a preview can know: of a new object its inputs, of a changed one all that stays."""
    sdk, behaviour = resource_type(token), behaviours()[token]
    if sdk is None or old is None or old_outputs is None:
        unknown = dict.fromkeys(set(sdk["outputs"]) - set(sdk["inputs"]["types"]) if sdk else (), UNKNOWN)
        return _merged({**_unknown(behaviour.outputs), **unknown}, seen(inputs))
    kept = {name: value for name, value in old_outputs.items() if name not in old or name in inputs}
    revised = [name for name, value in behaviour.outputs.items() if value == "<revision>"]
    unknown = dict.fromkeys(revised if is_revised(token, old, inputs) else (), UNKNOWN)
    return {**_merged(kept, seen(inputs)), **unknown}


def is_revised(token: str, old: Json, new: Json) -> bool:
    """Whether a change makes a new version of the object."""
    changed = {key for key in old | new if old.get(key) != new.get(key)}
    return behaviours()[token].revises and not changed <= {"tags", "tagsAll", MADE}


def deletes_first(token: str, old: Json, new: Json) -> bool:
    """Whether a replacement waits until the old object is gone, as where a given name stays the same."""
    key = behaviours()[token].name
    stays = bool(key and new.get(key)) and new.get(key) == old.get(key) and key not in new.get(MADE, ())
    return stays or behaviours()[token].delete_first


def seen(inputs: Json) -> Json:
    """Return inputs without our own note."""
    return {name: value for name, value in inputs.items() if name != MADE}


def checkable(inputs: Json) -> Json:
    """Return completed inputs as validators know them: with all tags, and nothing that only we add."""
    tags = {"tags": inputs["tagsAll"]} if inputs.get("tagsAll") else {}
    return {name: value for name, value in seen(inputs).items() if name != "tagsAll"} | tags


def answer(token: str, arguments: Json) -> Json:
    """Return what a function answers; raise PluginError for one that is not in the catalogue."""
    if token not in functions():
        raise PluginError(f"the stand-in does not know the function {token}: add it to catalogue.yaml")
    row = functions()[token]
    found = _merged(arguments, _filled(row["outputs"], arguments, token))
    return {name: sealed(value) if name in row["sealed"] else value for name, value in found.items()}


def _filled(template: Any, values: Json, seed: str) -> Any:
    """Put values into a template of the catalogue, at any depth."""
    if isinstance(template, dict):
        return {name: _filled(value, values, f"{seed}.{name}") for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values, f"{seed}[{index}]") for index, value in enumerate(template)]
    if not isinstance(template, str) or template == "<revision>":
        return values["revision"] if template == "<revision>" else template
    digits = hashlib.sha256(seed.encode()).hexdigest()
    text = re.sub(r"<hex(\d+)>", lambda match: digits[: int(match[1])], template)
    return re.sub(r"<(\w+)>", lambda match: str(values.get(match[1], "")), text)


def _unknown(value: Any) -> Any:
    return {key: _unknown(item) for key, item in value.items()} if isinstance(value, dict) else UNKNOWN


def _merged(first: Json, second: Json) -> Json:
    """Merge objects at any depth; the second has the last word."""
    deep = {
        key for key in first.keys() & second if isinstance(first[key], dict) and isinstance(second[key], dict)
    }
    return {**first, **second, **{key: _merged(first[key], second[key]) for key in deep}}
