"""What an object of AWS is, by its inputs and the catalogue: its name, id, tags and outputs. Pure."""

import hashlib
import json
import re
from typing import Any, NamedTuple

from local.providers.aws.catalogue import behaviours
from local.providers.aws.schema import resource_type
from local.providers.protocol import UNKNOWN, Json, PluginError

ACCOUNT = "000000000000"
"""No account of AWS has this number: an ARN of the stand-in is seen to be one."""
RANDOM_DIGITS = 7  # of a made name, as pulumi-terraform-bridge has it
MADE = "__defaults"
"""Input that lists which others were made up, as the official provider keeps it."""


class Settings(NamedTuple):
    """What the provider is configured with; credentials and all else change nothing here."""

    region: str
    default_tags: Json

    @classmethod
    def of(cls, arguments: Json) -> "Settings":
        """Read a provider's arguments, whose objects arrive as JSON text. May raise PluginError."""
        if not arguments.get("region"):
            raise PluginError('region: is missing; give the provider a region, such as "us-west-2"')
        tags = arguments.get("defaultTags") or {}
        tags = json.loads(tags) if isinstance(tags, str) and tags != UNKNOWN else tags
        return cls(arguments["region"], (tags.get("tags") or {}) if isinstance(tags, dict) else {})


def completed(token: str, name: str, old: Json, new: Json, settings: Settings, seed: bytes) -> Json:
    """Return inputs with what the official provider adds: region, all tags, a name. May raise PluginError.

    A made name is kept as long as `old` has it.
    """
    sdk, behaviour, inputs = resource_type(token), behaviours()[token], dict(new)
    if sdk and "region" in sdk.inputs.types:
        inputs["region"] = new.get("region") or settings.region
    if sdk and "tagsAll" in sdk.outputs:
        tags = new.get("tags") or {}
        inputs["tagsAll"] = {**settings.default_tags, **tags} if isinstance(tags, dict) else tags
    key = behaviour.name
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
    outputs: Json = _merged(seen(inputs), _filled(made, values, seed))
    return values["id"], outputs


def foreseen(token: str, inputs: Json, old: Json | None = None, old_outputs: Json | None = None) -> Json:
    """Return the outputs a preview can know: of a new object its inputs, of a changed one all that stays."""
    sdk, behaviour = resource_type(token), behaviours()[token]
    if sdk is None or old is None or old_outputs is None:
        unknown = dict.fromkeys(sdk.outputs - set(sdk.inputs.types) if sdk else (), UNKNOWN)
        first: Json = _merged(_merged(unknown, _unknown(behaviour.outputs)), seen(inputs))
        return first
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


def _merged(first: Any, second: Any) -> Any:
    """Merge objects at any depth; the second has the last word."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    return {**first, **{key: _merged(first.get(key), value) for key, value in second.items()}}
