"""What AWS refuses beyond types and service models: the table in rules.yaml, and what it cannot say. Pure."""

import base64
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.providers.aws import shapes
from local.providers.aws.catalogue import Row, id_prefixes, rules
from local.providers.protocol import UNKNOWN, has_unknown
from planner.finding import Finding, error, nearest

Values = Mapping[str, Any]
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 50, 128, 256
"""Of one resource; botocore's EKS model has the same limits."""


def findings(token: str, values: Values) -> Iterator[Finding]:
    """Tell what breaks a rule. What is not known yet passes."""
    for rule in rules().get(token, []):
        for place, part in _parts(values, rule.within):
            if all(_is(_at(part, path), want) for path, want in rule.when.items()):
                yield from (error(f"{place}{path}", said, rule.fix) for path, said in _broken(rule, part))
    yield from _arns_and_ids(values)
    yield from _tags(values)


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else UNKNOWN if values == UNKNOWN else None
    return values


def _parts(values: Any, path: str, place: str = "") -> Iterator[tuple[str, Values]]:
    """Return the objects that a rule is about, each with its own path: through lists, element by element."""
    if isinstance(values, list):
        for index, item in enumerate(values):
            yield from _parts(item, path, f"{place.removesuffix('.')}[{index}].")
    elif isinstance(values, Mapping) and not path:
        yield place, values
    elif isinstance(values, Mapping):
        name, _, rest = path.partition(".")
        yield from _parts(values.get(name), rest, f"{place}{name}.")


def _is(value: Any, wanted: Any) -> bool:
    if wanted == "*":
        return value is not None
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def _broken(rule: Row, values: Values) -> Iterator[tuple[str, str]]:
    """Tell what breaks the rule in an object, as a path and what is wrong there."""
    given = [path for path in (*rule.exactly_one, *rule.at_most_one) if _at(values, path) is not None]
    known = [path for path in given if "." not in path or _at(values, path) != UNKNOWN]
    why = " and ".join(
        path if want == "*" else f"{path} {_at(values, path)}" for path, want in rule.when.items()
    )
    yield from ((path, f"cannot stand with {why}") for path in rule.forbids if _at(values, path))
    yield from (
        (path, "is missing" + f" with {why}" * bool(why)) for path in rule.needs if _at(values, path) is None
    )
    if rule.exactly_one and not given:
        yield rule.exactly_one[0], f"none of {', '.join(rule.exactly_one)} is given"
    if len(known) > 1:
        yield known[1], f"stands beside {known[0]}"
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


def _fault(rule: Row, value: Any) -> str | None:
    if rule.kind:
        return KINDS[rule.kind](value, rule)
    is_in_range = not rule.range or rule.range[0] <= float(value) <= rule.range[1]
    is_like = not rule.pattern or re.fullmatch(rule.pattern, str(value))
    if is_in_range and is_like and (not rule.values or value in rule.values):
        return None
    return f"is {value!r}" + f" ({nearest(str(value), map(str, rule.values))})" * bool(rule.values)


def _network(text: Any, rule: Row) -> str | None:
    try:
        size = ipaddress.IPv4Network(text).prefixlen
    except ValueError as fault:
        return f"is {text!r}: {fault}"
    return f"is {text}" if rule.range and not rule.range[0] <= size <= rule.range[1] else None


def _instance_type(name: Any, _rule: Row) -> str | None:
    known: list[str] = shapes.service("ec2").shape_for("InstanceType").enum
    return None if name in known else f"there is no EC2 type {name!r}: {nearest(str(name), known)}"


def _encoded(text: Any, rule: Row) -> str | None:
    try:
        is_base64 = rule.kind == "base64" and base64.b64decode(text, validate=True) is not None
        return None if is_base64 or isinstance(json.loads(text), dict) else f"is no {rule.kind}"
    except ValueError:
        return f"is no {rule.kind}"


def _policy(text: Any, rule: Row) -> str | None:
    """Check an IAM policy document: of a role's trust, or of what it may do."""
    try:
        document = json.loads(text) if isinstance(text, str) else text
        statements = document["Statement"]
        places = list(enumerate(statements if isinstance(statements, list) else [statements]))
        is_current = document["Version"] in ("2012-10-17", "2008-10-17")
    except (ValueError, TypeError, KeyError):
        is_current = False
    if not is_current:
        return 'is no policy document with a Statement and the Version "2012-10-17"'
    whom, other = ("Principal", "Resource") if rule.kind == "trust" else ("Resource", "Principal")
    for index, statement in places:
        lacks = [key for key in ("Effect", "Action", whom) if not {key, f"Not{key}"} & set(statement)]
        if lacks or statement["Effect"] not in ("Allow", "Deny"):
            return f"Statement[{index}] has no {lacks[0] if lacks else 'Effect Allow or Deny'}"
        if {other, f"Not{other}"} & set(statement):
            return f"Statement[{index}] has a {other}, which has no place here"
        is_pod_identity = "pods.eks.amazonaws.com" in json.dumps(statement.get("Principal"))
        if is_pod_identity and "sts:TagSession" not in (statement.get("Action") or ()):
            return f"Statement[{index}] lacks the action sts:TagSession, which EKS Pod Identity needs"
    return None


KINDS = {"network": _network, "instance type": _instance_type, "base64": _encoded, "JSON object": _encoded}
KINDS |= {"policy": _policy, "trust": _policy}


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
    tags = values["tags"] if isinstance(values.get("tags"), Mapping) else {}
    if len(tags) > MAX_TAGS:
        yield error("tags", f"are {len(tags)}", f"AWS takes at most {MAX_TAGS}")
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            yield error(f"tags[{key!r}]", "begins with aws:", "that prefix is AWS's own; choose another")
        if len(key) > MAX_TAG_KEY or len(str(value)) > MAX_TAG_VALUE:
            yield error(
                f"tags[{key!r}]", "is too long", f"{MAX_TAG_KEY} characters, its value {MAX_TAG_VALUE}"
            )
