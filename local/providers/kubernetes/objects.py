"""Between a resource's inputs and its object: name and manifest one way, outputs and drift the other."""

import base64
import hashlib
import re
import secrets
from decimal import Decimal
from typing import Any

from local.providers.protocol import UNKNOWN, Json, sealed

SECRET = ("v1", "Secret")
# Below these keys the server writes numbers in its own canonical way ("1000m" becomes "1").
QUANTITIES = {"limits", "requests", "capacity", "hard", "default", "defaultRequest", "min", "max", "overhead"}
QUANTITIES |= {"sizeLimit", "averageValue", "divisor"}
FACTORS = {s: Decimal(1000) ** i for i, s in enumerate(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"], -3)}
FACTORS |= {f"{s}i": Decimal(1024) ** i for i, s in enumerate("KMGTPE", 1)}
SERVER_OWNED = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")


def kind_of(token: str) -> tuple[str, str]:
    """Read (apiVersion, kind) from a type token: `kubernetes:core/v1:Pod` is ("v1", "Pod")."""
    _, version, kind = token.split(":")
    return version.removeprefix("core/"), kind


def metadata_of(inputs: Json) -> Json:
    """Return an object's metadata; empty where it is absent or not known yet."""
    metadata = inputs.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def annotation(inputs: Json, key: str) -> str:
    """Return the value of an annotation `pulumi.com/<key>`; empty where there is none."""
    annotations = metadata_of(inputs).get("annotations")
    return str(annotations.get(f"pulumi.com/{key}") or "") if isinstance(annotations, dict) else ""


def checked(token: str, name: str, old: Json, new: Json, seed: bytes) -> tuple[Json, list[str]]:
    """Complete the inputs of a resource and list what is wrong with them.

    A missing name becomes the resource's name and eight hex digits, kept over updates (`old`).
    """
    expected = dict(zip(("apiVersion", "kind"), kind_of(token), strict=True))
    faults = [
        f"{key} is {new[key]}, but the resource's type says {value}"
        for key, value in expected.items()
        if new.get(key) not in (None, value, UNKNOWN)
    ]
    for key in ("waitFor", "replaceUnready", "patchFieldManager"):
        if annotation(new, key):
            faults.append(f"annotation pulumi.com/{key}: the stand-in does not support it")
    if (timeout := annotation(new, "timeoutSeconds")) and not timeout.isdecimal():
        faults.append(f"annotation pulumi.com/timeoutSeconds: {timeout} is not a number of seconds")
    inputs, metadata = expected | new, metadata_of(new)
    if metadata.get("name") or (new.get("metadata") and not metadata):
        return inputs, faults
    if annotation(old, "autonamed") == "true":
        made = metadata_of(old)["name"]
    else:
        digits = hashlib.sha256(seed + name.encode()).hexdigest() if seed else secrets.token_hex(4)
        made = (metadata.get("generateName") or f"{name}-") + digits[:8]
    annotations = {**(metadata.get("annotations") or {}), "pulumi.com/autonamed": "true"}
    return inputs | {"metadata": metadata | {"name": made, "annotations": annotations}}, faults


def with_data(secret: Json) -> Json:
    """Fold a Secret's stringData into its data, as the server does."""
    texts = secret.get("stringData") or {}
    data = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    return rest | {"data": {**(secret.get("data") or {}), **data}} if data else rest


def manifest(inputs: Json, name: str) -> Json:
    """Build what is sent to the server: no nulls, no stringData (server-side apply cannot own it)."""
    bare = _without_nulls(inputs | {"metadata": metadata_of(inputs) | {"name": name}})
    return with_data(bare) if (bare["apiVersion"], bare["kind"]) == SECRET else dict(bare)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def guarded(state: Json) -> Json:
    """Seal what a Secret holds, whether or not the program marked it as secret."""
    if (state.get("apiVersion"), state.get("kind")) != SECRET:
        return state
    return {key: sealed(value) if key in ("data", "stringData") else value for key, value in state.items()}


def outputs_of(live: Json) -> Json:
    """Return a live object as a resource's outputs: all but the record of who owns which field."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return guarded(live | {"metadata": metadata})


def foreseen(inputs: Json, old_outputs: Json | None) -> Json:
    """Foresee outputs during a preview: the old ones (if any) overlaid with the new inputs."""
    made = {"uid": UNKNOWN, "resourceVersion": UNKNOWN, "creationTimestamp": UNKNOWN}
    return guarded(_overlaid(old_outputs or {"metadata": made, "status": UNKNOWN}, inputs))


def _overlaid(base: Any, top: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(top, dict):
        return top
    return base | {key: _overlaid(base.get(key), value) for key, value in top.items()}


def quantity(text: Any) -> Decimal | None:
    """Read a Kubernetes quantity ("1500m", "1.5", "1Gi", 2); None when it is none."""
    parts = re.fullmatch(r"(-?\d*\.?\d+(?:[eE]-?\d+)?)([KMGTPE]i|[numkMGTPE]?)", str(text))
    return Decimal(parts[1]) * FACTORS[parts[2]] if parts else None


def projected(inputs: Json, live: Json) -> Json:
    """Return the inputs as the live object would have them; equal to `inputs` where nothing drifted."""
    if (inputs.get("apiVersion"), inputs.get("kind")) == SECRET and inputs.get("stringData"):
        data = live.get("data", {})
        texts = {
            key: base64.b64decode(data[key]).decode(errors="replace")
            for key in inputs["stringData"]
            if key in data
        }
        live = live | {"stringData": texts}
    return dict(_projected(inputs, live, False))


def _projected(old: Any, live: Any, in_quantity: bool) -> Any:
    if isinstance(old, dict) and isinstance(live, dict):
        kept = [key for key, value in old.items() if key in live or _is_hollow(value)]  # or dropped as empty
        return {
            key: _projected(old[key], live.get(key, old[key]), in_quantity or key in QUANTITIES)
            for key in kept
        }
    if isinstance(old, list) and isinstance(live, list):
        return _projected_list(old, live, in_quantity)
    if in_quantity and old != live and quantity(old) is not None and quantity(old) == quantity(live):
        return old
    return live


def _projected_list(old: list[Any], live: list[Any], in_quantity: bool) -> list[Any]:
    """Match named things (containers, ports, env) by name, and anything else by its position."""
    names = [{item["name"]: item for item in items if _is_named(item)} for items in (old, live)]
    if [len(found) for found in names] == [len(old), len(live)]:
        pairs = [(item, names[1][name]) for name, item in names[0].items() if name in names[1]]
    elif len(old) == len(live):
        pairs = list(zip(old, live, strict=True))
    else:
        return live
    return [_projected(item, found, in_quantity) for item, found in pairs]


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def _is_hollow(value: Any) -> bool:
    return all(_is_hollow(item) for item in value.values()) if isinstance(value, dict) else not value


def imported(live: Json) -> Json:
    """Return inputs for an object that has none yet: what a manifest would say, without the server's part."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in SERVER_OWNED}
    return {key: value for key, value in live.items() if key != "status"} | {"metadata": metadata}
