"""What the one-machine forms are made of: a version of a model, and the machine it runs on. Pure."""

from collections.abc import Mapping
from typing import Any

from components.engines import adapter
from components.engines.base import EngineContainer
from components.spec import Spec, VersionSpec
from planner.data_files import package_file

LOOPBACK = "127.0.0.1"


class Machine(Spec):
    """One version on one machine."""

    version: VersionSpec
    replicas: int
    port: int
    """Of the machine, where clients ask."""
    publish: bool
    """Whether other machines reach the port; nobody is asked for a key."""
    longest_stream_seconds: int
    """Longest answer, which a proxy waits for."""

    @property
    def address(self) -> str:
        """Where Docker publishes the port."""
        return str(self.port) if self.publish else f"{LOOPBACK}:{self.port}"

    @property
    def container(self) -> EngineContainer:
        """What the engine's adapter renders, the same as for a pod."""
        return adapter(self.version.engine.engine).container(self.version.engine)

    @property
    def api_model(self) -> str:
        """The model's name in requests: without a gateway it is the engine's own."""
        return adapter(self.version.engine.engine).api_model(self.version.engine)

    @property
    def stop_seconds(self) -> int:
        """From SIGTERM to SIGKILL: the drain and a margin. There is no preStop: nothing routes around it."""
        return self.version.engine.drain_seconds + self.version.margin_seconds

    @property
    def shm_size(self) -> str | None:
        """Shared memory of an engine as Docker writes it; None = Docker's default."""
        has_shm = self.container.needs_shm and self.version.shm_gib > 0
        return f"{self.version.shm_gib}g" if has_shm else None


def presets() -> Mapping[str, Any]:
    """Images, programs and numbers, from presets.yaml."""
    data: Mapping[str, Any] = package_file("one_machine", "presets.yaml")
    return data


def passed_names(machine: Machine) -> tuple[str, ...]:
    """Variables whose values come from the user's environment and are written nowhere."""
    token = machine.container.token_env if machine.version.model_token else None
    in_cloud = machine.version.engine.model.startswith("s3://")
    return (*((token,) if token else ()), *(presets()["cloud_credentials"]["names"] if in_cloud else ()))


def health_command(machine: Machine) -> tuple[str, ...]:
    """What tells inside the container whether the engine serves: Docker asks commands only, not HTTP.

    That of the pod's startup probe, because Docker has one check for start and life together, and what waits
    for an engine waits for its model.
    """
    probe = machine.container.startup
    if probe.command is not None:
        return probe.command
    program = presets()["http_client"][machine.version.engine.engine]
    seconds = presets()["health"]["timeout_seconds"]
    # Double quotes, since the whole stands in a shell's single ones; http.client, since it asks no proxy.
    ask = (
        f'import http.client; c = http.client.HTTPConnection("{LOOPBACK}", {machine.container.port}, '
        f'timeout={seconds}); c.request("GET", "{probe.path}"); '
        "raise SystemExit(c.getresponse().status != 200)"
    )
    return (program, "-c", ask)


def health_timeout_seconds(machine: Machine) -> int:
    """Docker's own limit, unless the engine's command may take longer."""
    probe = machine.container.startup
    least: int = presets()["health"]["timeout_seconds"]
    return max(least, probe.timeout_seconds)
