"""A compose file: engines of one version, and nginx in front of them. Pure."""

from typing import Any

import yaml

from components.engines.base import CACHE_PATH
from one_machine.machine import (
    LOOPBACK,
    Machine,
    health_command,
    health_timeout_seconds,
    passed_names,
    presets,
)
from one_machine.nginx import NginxSpec, nginx_conf

_NGINX_CONF = "/etc/nginx/llmserve.conf"


def compose(machine: Machine) -> dict[str, Any]:
    """The file's content. Compose reads `$` as a variable, so each is doubled."""
    spec, container = machine.version, machine.container
    engines = {f"engine-{number}": _engine(machine, number) for number in range(machine.replicas)}
    files = {
        _config_key(number): {"content": text} for number, text in enumerate(container.config_files.values())
    }
    whole = {
        "name": spec.name,
        "services": {**_weights(machine), **engines, "nginx": _nginx(machine, tuple(engines))},
        "configs": {**files, "nginx": {"content": nginx_conf(nginx_spec(machine))}},
        # A name of its own: `docker run` of the same version finds the same weights.
        "volumes": {"cache": {"name": f"{spec.name}-cache"}},
    }
    escaped: dict[str, Any] = _escaped(whole)
    return escaped


def compose_text(machine: Machine, made_by: str) -> str:
    """The file, with how it was made and how to use it."""
    spec, engine, url = machine.version, machine.version.engine, f"http://{LOOPBACK}:{machine.port}"
    least = presets()["compose"]["least_version"]
    names = passed_names(machine)
    head = [
        f"Made by: {made_by}",
        f"Runs {spec.model}/{spec.version}: {engine.model} on {engine.engine} {engine.engine_version}.",
        f"Needs Docker Compose {least} or newer and, for GPUs, the NVIDIA Container Toolkit.",
        *([f"Taken from your environment where set: {', '.join(names)}."] if names else []),
        "Start: docker compose --file THIS_FILE up --detach",
        f'Ask:   curl {url}/v1/chat/completions --header "content-type: application/json" '
        f'--data \'{{"model": "{machine.api_model}", "messages": [{{"role": "user", "content": "hi"}}]}}\'',
        "Nobody is asked for a key, nothing is limited: see docs/one-machine.md before others reach it.",
    ]
    body = yaml.dump(compose(machine), Dumper=_Dumper, sort_keys=False, width=110)
    return "".join(f"# {line}\n" for line in head) + body


def nginx_spec(machine: Machine) -> NginxSpec:
    """What nginx is told about the engines of a machine."""
    port = machine.container.port
    numbers = presets()["nginx"]
    return NginxSpec(
        listen=str(numbers["port"]),
        engines=tuple(f"engine-{number}:{port}" for number in range(machine.replicas)),
        metrics_path=machine.container.metrics_path,
        longest_stream_seconds=machine.longest_stream_seconds,
        resolver=numbers["resolver"],
    )


def _engine(machine: Machine, number: int) -> dict[str, Any]:
    """One replica, with GPUs of its own."""
    gpus = machine.version.resources.gpus
    ids = [str(gpu) for gpu in range(number * gpus, (number + 1) * gpus)]
    device = {"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}
    container = machine.container
    targets = container.config_files
    weights = {"depends_on": {"weights": {"condition": "service_completed_successfully"}}}
    return {
        "image": container.image,
        **({"entrypoint": list(container.command)} if container.command else {}),
        "command": list(container.args),
        **_own(machine),
        **({"configs": [_mount(n, path) for n, path in enumerate(targets)]} if targets else {}),
        **({"shm_size": machine.shm_size} if machine.shm_size else {}),
        **({"deploy": {"resources": {"reservations": {"devices": [device]}}}} if gpus else {}),
        **(weights if container.init_command else {}),
        "healthcheck": _health(
            health_command(machine), health_timeout_seconds(machine), machine.version.startup_seconds
        ),
        **_lasting(machine),
    }


def _weights(machine: Machine) -> dict[str, Any]:
    """What brings the weights before any engine starts, where an engine cannot do it itself."""
    container = machine.container
    if container.init_command is None:
        return {}
    program, *words = container.init_command
    return {
        "weights": {
            "image": container.image,
            "entrypoint": [program],
            "command": words,
            **_own(machine),
            "restart": "no",
            **_rights(),
        }
    }


def _nginx(machine: Machine, engines: tuple[str, ...]) -> dict[str, Any]:
    """nginx as a user of its own. Not `read_only`: Compose copies configs in (docker/compose issue 12031)."""
    numbers = presets()["nginx"]
    ask = ("wget", "-q", "-O", "/dev/null", f"http://{LOOPBACK}:{numbers['port']}/health")
    return {
        "image": numbers["image"],
        "user": numbers["user"],
        "entrypoint": ["nginx"],
        "command": ["-c", _NGINX_CONF],
        "configs": [{"source": "nginx", "target": _NGINX_CONF}],
        "ports": [f"{machine.address}:{numbers['port']}"],
        "depends_on": {engine: {"condition": "service_healthy"} for engine in engines},
        "healthcheck": _health(ask, presets()["health"]["timeout_seconds"], start_seconds=0),
        # Stopped first, as it depends on the engines: open answers end before any engine is told to stop.
        "stop_signal": "SIGQUIT",
        **_lasting(machine),
    }


def _health(test: tuple[str, ...], timeout_seconds: int, start_seconds: int) -> dict[str, Any]:
    numbers = presets()["health"]
    return {
        "test": ["CMD", *test],
        "interval": f"{numbers['interval_seconds']}s",
        "timeout": f"{timeout_seconds}s",
        "retries": numbers["retries"],
        **({"start_period": f"{start_seconds}s"} if start_seconds else {}),
    }


def _own(machine: Machine) -> dict[str, Any]:
    """Environment and cache of an engine; a name without value is taken from the user's environment."""
    given = dict(sorted(machine.container.env.items()))
    return {
        "environment": {**given, **dict.fromkeys(passed_names(machine))},
        "volumes": [f"cache:{CACHE_PATH}"],
    }


def _lasting(machine: Machine) -> dict[str, Any]:
    return {"restart": "unless-stopped", "stop_grace_period": f"{machine.stop_seconds}s", **_rights()}


def _rights() -> dict[str, Any]:
    """No right of root's (docker_run.py says why engines run as root), and a log that is bounded."""
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "local"},
    }


def _mount(number: int, path: str) -> dict[str, str]:
    return {"source": _config_key(number), "target": path}


def _config_key(number: int) -> str:
    return f"engine-file-{number}"


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_escaped(child) for child in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


class _Dumper(yaml.SafeDumper):
    """Safe, with files as text one can read, and each service written out in full."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
