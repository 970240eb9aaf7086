"""Compares old and new inputs: which properties change, and which of them need a new object."""

from importlib.resources import files
from typing import NamedTuple

import yaml

from local.providers.differences import differences, touch
from local.providers.kubernetes.objects import SECRET, annotation, metadata_of, with_data
from local.providers.protocol import Json, has_unknown

FIELDS = files("local.providers.kubernetes").joinpath("immutable.yaml").read_text(encoding="utf-8")
IMMUTABLE: dict[str, list[str]] = yaml.safe_load(FIELDS)


class Change(NamedTuple):
    """A difference: property path → ADD, DELETE or UPDATE; paths that need a new object; in which order."""

    paths: dict[str, str]
    replacing: list[str]
    delete_first: bool


def compare(object_id: str, old: Json, new: Json, default_namespace: str, mutable: set[str]) -> Change:
    """Compare old and new inputs of an object; `mutable` kinds (ConfigMap, Secret) may change in place.

    The object is deleted before it is replaced where the new one has its name: not if that was made by us.
    """
    old_group, group = (str(inputs.get("apiVersion")).rpartition("/")[0] for inputs in (old, new))
    kind = new.get("kind")
    is_known_secret = (new.get("apiVersion"), kind) == SECRET and not has_unknown([old, new])
    if is_known_secret and with_data(old).get("data") == with_data(new).get("data"):
        old, new = with_data(old), with_data(new)  # moved between data and stringData, but the same
    paths = dict(differences(old, new))
    fixed = [*IMMUTABLE.get(f"{group}/{kind}", ())]
    if kind in mutable and not old.get("immutable") and not new.get("immutable"):
        fixed = ["type"]
    fixed += ["kind"] if old_group == group else ["kind", "apiVersion"]
    old_namespace, _, old_name = object_id.rpartition("/")
    namespace = (metadata_of(new).get("namespace") or default_namespace) if old_namespace else ""
    moved = ["metadata.name"] if metadata_of(new).get("name", old_name) != old_name else []
    moved += ["metadata.namespace"] if namespace != old_namespace else []
    paths |= {path: paths.get(path, "UPDATE") for path in moved}
    replacing = [path for path in paths if path in moved or any(touch(path, field) for field in fixed)]
    return Change(paths, sorted(replacing), delete_first=not moved and annotation(new, "autonamed") != "true")
