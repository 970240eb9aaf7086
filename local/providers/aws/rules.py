"""What AWS refuses beyond types and service models: the table in rules.yaml, and what it cannot say. Pure."""

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.providers.aws import shapes
from local.providers.aws.catalogue import Rule, id_prefixes, rules
from local.providers.protocol import UNKNOWN, has_unknown
from planner.finding import Finding, error, nearest

Values = Mapping[str, Any]
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = (
    50,
    128,
    256,
)  # of one resource: botocore's EKS model has the same limits


def findings(token: str, values: Values) -> Iterator[Finding]:
    """Tell what breaks a rule. What is not known yet passes."""
    for rule in rules().get(token, []):
        for place, part in _parts(values, rule.within):
            if isinstance(part, Mapping) and all(
                _is(_at(part, path), want) for path, want in rule.when.items()
            ):
                yield from (error(f"{place}{path}", said, rule.fix) for path, said in _broken(rule, part))
    yield from _arns_and_ids(values)
    yield from _tags(values)


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else UNKNOWN if values == UNKNOWN else None
    return values


def _parts(values: Any, path: str, place: str = "") -> Iterator[tuple[str, Any]]:
    """Return the objects that a rule is about, each with its own path: through lists, element by element."""
    if isinstance(values, list):
        for index, item in enumerate(values):
            yield from _parts(item, path, f"{place.removesuffix('.')}[{index}].")
    elif not path:
        yield place, values
    elif isinstance(values, Mapping):
        name, _, rest = path.partition(".")
        yield from _parts(values.get(name), rest, f"{place}{name}.")


def _is(value: Any, wanted: Any) -> bool:
    if wanted == "*":
        return value is not None
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def _broken(rule: Rule, values: Values) -> Iterator[tuple[str, str]]:
    """Tell what breaks the rule in an object, as a path and what is wrong there."""
    given = [path for path in (*rule.exactly_one, *rule.at_most_one) if _at(values, path) is not None]
    why = " and ".join(
        path if want == "*" else f"{path} {_at(values, path)}" for path, want in rule.when.items()
    )
    yield from ((path, f"cannot stand with {why}") for path in rule.forbids if _at(values, path))
    yield from (
        (path, "is missing" + f" with {why}" * bool(why)) for path in rule.needs if _at(values, path) is None
    )
    if rule.exactly_one and not given:
        yield rule.exactly_one[0], f"none of {', '.join(rule.exactly_one)} is given"
    if len(given) > 1:
        yield given[1], f"stands beside {given[0]}"
    order = [_at(values, path) for path in rule.rising]
    if all(isinstance(value, int) for value in order) and order != sorted(order):
        yield rule.rising[0], f"is {order[0]}, then {', '.join(map(str, order[1:]))}"
    switches = {path: bool(_at(values, path)) for path in rule.alike if _at(values, path) != UNKNOWN}
    if len(set(switches.values())) > 1:
        off = [path for path, state in switches.items() if not state]
        yield off[0], f"is not true, but {', '.join(sorted(set(switches) - set(off)))}"
    value = _at(values, rule.input) if rule.input else None
    for item in value if isinstance(value, list) else [value]:
        fault = None if item is None or has_unknown(item) else _fault(rule, item)
        if fault:
            yield rule.input, fault


def _fault(rule: Rule, value: Any) -> str | None:
    if rule.kind:
        return KINDS[rule.kind](value, rule)
    is_in_range = not rule.range or rule.range[0] <= float(value) <= rule.range[1]
    is_like = not rule.pattern or re.fullmatch(rule.pattern, str(value))
    if is_in_range and is_like and (not rule.values or value in rule.values):
        return None
    return f"is {value!r}" + f" ({nearest(str(value), map(str, rule.values))})" * bool(rule.values)


def _network(text: Any, rule: Rule) -> str | None:
    try:
        size = ipaddress.IPv4Network(text).prefixlen
    except ValueError as fault:
        return f"is {text!r}: {fault}"
    return f"is {text}" if rule.range and not rule.range[0] <= size <= rule.range[1] else None


def _instance_type(name: Any, _rule: Rule) -> str | None:
    known = shapes.instance_types()
    return None if name in known else f"there is no EC2 type {name!r}: {nearest(str(name), known)}"


def _base64(text: Any, _rule: Rule) -> str | None:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return "is not base64"
    return None


def _object(text: Any, _rule: Rule) -> str | None:
    return None if isinstance(_json(text), dict) else "is not a JSON object"


def _policy(text: Any, rule: Rule) -> str | None:
    """Check an IAM policy document: of a role's trust, or of what it may do."""
    document = _json(text)
    if not isinstance(document, dict) or not document.get("Statement"):
        return "is not a policy document with a Statement"
    if document.get("Version") not in ("2012-10-17", "2008-10-17"):
        return f'has the Version {document.get("Version")!r}, not "2012-10-17"'
    statements, trust = document["Statement"], rule.kind == "trust"
    whom, other = ("Principal", "Resource") if trust else ("Resource", "Principal")
    for index, statement in enumerate(statements if isinstance(statements, list) else [statements]):
        place = f"Statement[{index}]"
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            return f"{place} has no Effect Allow or Deny"
        for key in ("Action", whom):
            if not {key, f"Not{key}"} & set(statement):
                return f"{place} has no {key}"
        if {other, f"Not{other}"} & set(statement):
            return f"{place} has a {other}, which has no place here"
        actions = statement.get("Action") or ()
        lacks = {"sts:AssumeRole", "sts:TagSession"} - {*([actions] if isinstance(actions, str) else actions)}
        if trust and lacks and "pods.eks.amazonaws.com" in json.dumps(statement["Principal"]):
            return f"{place} lacks {', '.join(sorted(lacks))}, which EKS Pod Identity needs"
    return None


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return None


KINDS: Mapping[str, Callable[[Any, Rule], str | None]] = {
    "network": _network,
    "instance type": _instance_type,
    "base64": _base64,
    "object": _object,
    "policy": _policy,
    "trust": _policy,
}


def _arns_and_ids(values: Values, path: str = "") -> Iterator[Finding]:
    """At any depth: ARNs are ARNs, and an id is of the right kind of thing."""
    for name, value in values.items():
        prefixes = ["arn:"] if name.lower().endswith(("arn", "arns")) else id_prefixes().get(name, [""])
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping) and not name.startswith("tags"):
                yield from _arns_and_ids(item, f"{path}{name}.")
            elif isinstance(item, str) and not has_unknown(item) and not item.startswith(tuple(prefixes)):
                yield error(f"{path}{name}", f"is {item!r}", f"it begins with {' or '.join(prefixes)}")


def _tags(values: Values) -> Iterator[Finding]:
    tags = values.get("tags")
    if isinstance(tags, Mapping) and len(tags) > MAX_TAGS:
        yield error("tags", f"are {len(tags)}", f"AWS takes at most {MAX_TAGS}")
    for key, value in tags.items() if isinstance(tags, Mapping) else ():
        if key.lower().startswith("aws:"):
            yield error(f"tags[{key!r}]", "begins with aws:", "that prefix is AWS's own; choose another")
        if len(key) > MAX_TAG_KEY or len(str(value)) > MAX_TAG_VALUE:
            yield error(
                f"tags[{key!r}]", "is too long", f"{MAX_TAG_KEY} characters, its value {MAX_TAG_VALUE}"
            )
