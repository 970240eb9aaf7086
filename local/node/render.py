"""A container's environment and command as Kubernetes defines them, made local. Pure."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from local.node.addresses import Rewriter, pod_address
from local.node.api import Json

SIMULATION_PREFIX = "llmserve.dev/sim-"
"""Pod annotation `llmserve.dev/sim-TTFT_SECONDS` becomes variable SIM_TTFT_SECONDS."""
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][\w.-]*)\)")
_UNITS = {"m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
Sources = Mapping[tuple[str, str], Json | None]
"""ConfigMaps and Secrets by plural kind and name; None = there is none."""


class ConfigError(Exception):
    """What the kubelet calls CreateContainerConfigError."""


def references(container: Json) -> Iterator[tuple[str, str]]:
    """Plural kind and name of each ConfigMap and Secret that the environment needs."""
    for entry in container.get("envFrom", []):
        for key, kind in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if key in entry:
                yield kind, entry[key]["name"]
    for entry in container.get("env", []):
        for key, kind in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if key in entry.get("valueFrom", {}):
                yield kind, entry["valueFrom"][key]["name"]


def environment(pod: Json, container: Json, sources: Sources, rewriter: Rewriter) -> dict[str, str]:
    """Variables the manifest gives, text of Secrets as it is. Raises ConfigError for what is missing."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for entry in container.get("envFrom", []):
        kind = "configmaps" if "configMapRef" in entry else "secrets"
        reference = entry.get("configMapRef") or entry["secretRef"]
        found = _source(sources, kind, reference)
        values = {f"{entry.get('prefix', '')}{k}": v for k, v in (found or {}).get("data", {}).items()}
        (secret if kind == "secrets" else plain).update(values)
    for entry in container.get("env", []):
        name, origin = entry["name"], entry.get("valueFrom")
        if origin is None:
            known = {**rewriter.environment(plain), **secret}
            plain[name] = entry.get("value", "")
            if expand(plain[name], known) != plain[name]:
                # what is referred to is local already and must not be rewritten twice
                secret[name] = expand(rewriter.text(plain.pop(name)), known)
            else:
                secret.pop(name, None)
        elif "fieldRef" in origin:
            secret[name] = field(pod, origin["fieldRef"]["fieldPath"])
        elif "resourceFieldRef" in origin:
            secret[name] = resource(pod, container, origin["resourceFieldRef"])
        else:
            kind = "configmaps" if "configMapKeyRef" in origin else "secrets"
            value = _key(pod, sources, kind, origin.get("configMapKeyRef") or origin["secretKeyRef"])
            if value is not None:
                (secret if kind == "secrets" else plain)[name] = value
    return {**rewriter.environment(plain), **secret, **_simulation(pod)}


def command(
    container: Json, entrypoint: Sequence[str], environment: Mapping[str, str], rewriter: Rewriter
) -> list[str]:
    """The argv: the manifest's command, else the image's entrypoint, and the arguments."""
    given = [*container.get("command", []), *container.get("args", [])]
    local = [expand(rewriter.text(part), environment) for part in given]
    return local if container.get("command") else [*entrypoint, *local]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value if there is one, and $$ by $."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else values.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def field(pod: Json, path: str) -> str:
    """Value of a downward API field; the pod's address is the one it can bind."""
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if keyed:
        return str(pod["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = pod["metadata"].get(path.removeprefix("metadata."), {})
        return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))
    if path in ("status.podIP", "status.podIPs"):
        return pod_address(pod["status"]["podIP"])
    value: object = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def resource(pod: Json, container: Json, reference: Json) -> str:
    """Value of a resourceFieldRef in units of its divisor, rounded up."""
    named = [c for c in pod["spec"]["containers"] if c["name"] == reference.get("containerName")]
    side, _, name = reference["resource"].partition(".")
    resources = (named or [container])[0].get("resources", {})
    divisor = reference.get("divisor", "1")
    return str(
        math.ceil(
            quantity(resources.get(side, {}).get(name, "0")) / (quantity("1" if divisor == "0" else divisor))
        )
    )


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number."""
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    if not found or found[2] not in _UNITS:
        raise ConfigError(f"quantity {text!r} is not understood")
    return float(found[1]) * _UNITS[found[2]]


def _key(pod: Json, sources: Sources, kind: str, reference: Json) -> str | None:
    found = _source(sources, kind, reference)
    if found is None:
        return None
    value: str | None = found.get("data", {}).get(reference["key"])
    if value is None and not reference.get("optional"):
        where = f"{'ConfigMap' if kind == 'configmaps' else 'Secret'} {pod['metadata']['namespace']}"
        raise ConfigError(f"couldn't find key {reference['key']} in {where}/{reference['name']}")
    return value


def _source(sources: Sources, kind: str, reference: Json) -> Json | None:
    found = sources.get((kind, reference["name"]))
    if found is None and not reference.get("optional"):
        raise ConfigError(f'{kind.removesuffix("s")} "{reference["name"]}" not found')
    return found


def _simulation(pod: Json) -> dict[str, str]:
    annotations = pod["metadata"].get("annotations", {})
    return {
        f"SIM_{key.removeprefix(SIMULATION_PREFIX)}": value
        for key, value in annotations.items()
        if key.startswith(SIMULATION_PREFIX)
    }
