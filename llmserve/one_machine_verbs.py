"""`llmserve compose` and `llmserve docker-run`: a model of a stack file on one machine with Docker."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.checking import check_stack_file, report
from llmserve.output import fail

if TYPE_CHECKING:  # loaded when asked for: a check needs nothing of it
    from one_machine.machine import Machine

Model = Annotated[str, typer.Argument(help="A model of the stack file that engines serve, as in chat.")]
StackFile = Annotated[Path, typer.Option(help="Where the model is described.")]
Version = Annotated[str | None, typer.Option(help="Default: the one with the most traffic.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the machine.")]
Publish = Annotated[bool, typer.Option("--publish", help="Let other machines in; nobody is asked for a key.")]

_STACK_FILE = Path("Pulumi.prod.yaml")


def compose(
    model: Model,
    stack_file: StackFile = _STACK_FILE,
    version: Version = None,
    replicas: Annotated[int, typer.Option(min=1, help="Engines, each with GPUs of its own.")] = 1,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs of the machine; default: of a node of the version's pool.")
    ] = None,
    port: Port = 8080,
    publish: Publish = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: print.")
    ] = None,
) -> None:
    """Write a compose file: engines of one version, and nginx in front of them."""
    machine = _machine(stack_file, model, version, port, publish, replicas, gpus)
    from one_machine.compose import compose_text

    words = [
        "llmserve",
        "compose",
        model,
        "--stack-file",
        str(stack_file),
        "--version",
        machine.version.version,
    ]
    words += ["--replicas", str(replicas), *(["--gpus", str(gpus)] if gpus is not None else [])]
    words += ["--port", str(port), *(["--publish"] if publish else [])]
    _write(compose_text(machine, shlex.join(words)), output)


def docker_run(
    model: Model,
    stack_file: StackFile = _STACK_FILE,
    version: Version = None,
    port: Port = 8080,
    publish: Publish = False,
) -> None:
    """Print the `docker run` of one engine, as it would run in a pod."""
    machine = _machine(stack_file, model, version, port, publish)
    from one_machine.docker_run import docker_run as commands
    from one_machine.docker_run import shell_text

    try:
        _write(shell_text(commands(machine)) + "\n", None)
    except ValueError as wrong:
        raise fail(str(wrong)) from None


def _machine(
    stack_file: Path,
    model: str,
    version: str | None,
    port: int,
    publish: bool,
    replicas: int = 1,
    gpus: int | None = None,
) -> "Machine":
    """The machine, or an end in words: a stack file with mistakes describes nothing that could run."""
    from one_machine.choose import choose

    found = check_stack_file(stack_file)
    if found.settings is None or found.errors:
        raise fail(f"{stack_file}: {report(found.findings)}")
    try:
        return choose(
            found.settings, model, version, port=port, publish=publish, replicas=replicas, gpus=gpus
        )
    except ValueError as wrong:
        raise fail(str(wrong)) from None


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise fail(f"--output {output}: cannot be written: {problem.strerror}; name another file") from None
