"""`docker run` of one version: the same image, arguments and environment as its pod. Pure."""

import shlex

from components.engines.base import CACHE_PATH
from one_machine.machine import Machine, health_command, health_timeout_seconds, passed_names, presets

Command = tuple[tuple[str, ...], ...]
"""An argument list in the lines it is printed in."""


def docker_run(machine: Machine) -> tuple[Command, ...]:
    """Commands to run one after the other: what brings the weights, if an engine cannot, and the engine.

    Raises ValueError for an engine that reads a config file, which a command line cannot bring.
    """
    container = machine.container
    if container.config_files:
        reader = machine.version.engine.engine
        raise ValueError(
            f"{reader} reads a config file, which `docker run` cannot bring; use llmserve compose"
        )
    name = machine.version.name
    run = (
        ("docker", "run", "--detach"),
        ("--name", name),
        ("--restart", "unless-stopped"),
        ("--publish", f"{machine.address}:{container.port}"),
        *((("--gpus", str(gpus)),) if (gpus := machine.version.resources.gpus) else ()),
        *((("--shm-size", size),) if (size := machine.shm_size) else ()),
        *_health(machine),
        ("--stop-timeout", str(machine.stop_seconds)),
    )
    entrypoint, *words = container.command or ("",)
    engine = (*run, *_common(machine), *_program(entrypoint, (*words, *container.args), container.image))
    if container.init_command is None:
        return (engine,)
    program, *script = container.init_command
    weights = (("docker", "run", "--rm"), ("--name", f"{name}-weights"), *_common(machine))
    return ((*weights, *_program(program, tuple(script), container.image)), engine)


def shell_text(commands: tuple[Command, ...]) -> str:
    """What to paste into a shell: each later command runs if the one before it succeeded."""
    return " &&\n".join(
        " \\\n  ".join(" ".join(shlex.quote(word) for word in line) for line in command)
        for command in commands
    )


def _health(machine: Machine) -> Command:
    numbers = presets()["health"]
    return (
        ("--health-cmd", shlex.join(health_command(machine))),  # run by the image's shell
        ("--health-interval", f"{numbers['interval_seconds']}s"),
        ("--health-timeout", f"{health_timeout_seconds(machine)}s"),
        ("--health-retries", str(numbers["retries"])),
        ("--health-start-period", f"{machine.version.startup_seconds}s"),
    )


def _common(machine: Machine) -> Command:
    """What the engine and the container that brings its weights share.

    The user is the image's own, root, without any right of root's: a volume belongs to root, and Docker has
    no fsGroup that would give it to another user.
    """
    environment = sorted(machine.container.env.items())
    return (
        ("--volume", f"{machine.version.name}-cache:{CACHE_PATH}"),
        *(("--env", f"{name}={value}") for name, value in environment),
        *(("--env", name) for name in passed_names(machine)),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--log-driver", "local"),  # which is bounded; Docker's default is not
    )


def _program(entrypoint: str, words: tuple[str, ...], image: str) -> Command:
    """The image and what it runs, each flag of the engine on a line of its own."""
    lines: list[tuple[str, ...]] = [(image,)]
    for word in words:
        if word.startswith("--"):
            lines.append((word,))
        else:
            lines[-1] = (*lines[-1], word)
    return ((("--entrypoint", entrypoint),) if entrypoint else ()) + tuple(lines)
