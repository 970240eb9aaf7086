"""Stand-in for pulumi-language-python: runs Python programs and plugins for the engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from local.providers.protocol import Json, Plugin, PluginError, decode, serve

RUNNER = Path(__file__).with_name("program_runner.py")
ERROR_SHOWN = 32  # the runner's exit status when the user has been told why the program failed


def python_of(info: Any) -> str:
    """Choose the python of a program: its `runtime.options.virtualenv`, else the one that runs this host."""
    name = decode(info.options).get("virtualenv")
    if not name:
        return sys.executable
    python = Path(info.root_directory, name, "bin", "python")
    if not python.exists():
        raise PluginError(f"runtime.options.virtualenv: there is no {python}; make it with python3 -m venv")
    return str(python)


def program_order(request: Any, engine_address: str) -> Json:
    """Tell the program runner all about a run: where the program is, who answers it, its configuration."""
    return {
        "program": str(Path(request.info.program_directory, request.info.entry_point)),
        "args": list(request.args),
        "config": dict(request.config),
        "secret_keys": list(request.configSecretKeys),
        "settings": {
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "monitor": request.monitor_address,
            "engine": engine_address,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "root_directory": request.info.root_directory,
        },
    }


class PythonHost(Plugin):
    """The language runtime `python`."""

    answers_for, package = "pulumi-language-python", "pulumi"

    def __init__(self, engine_address: str) -> None:
        super().__init__(engine_address)
        self._children: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        """Kill what was started."""
        for child in self._children:
            child.kill()

    def handshake(self, _request: Any) -> Any:
        """Agree on the protocol; nothing of it is optional here."""
        return language_pb2.LanguageHandshakeResponse()

    def get_required_packages(self, _request: Any) -> Any:
        """Ask for nothing beforehand: the engine looks for each plugin when it first needs it."""
        return language_pb2.GetRequiredPackagesResponse()

    def about(self, request: Any) -> Any:
        """Name the python that a program runs with."""
        python = python_of(request.info)
        said = subprocess.run([python, "-V"], capture_output=True, text=True, check=True)
        return language_pb2.AboutResponse(executable=python, version=said.stdout.split()[-1])

    def install_dependencies(self, _request: Any, _context: Any) -> Iterator[Any]:
        """Install nothing, and say so."""
        text = b"the stand-in for pulumi-language-python installs nothing: use pip\n"
        yield language_pb2.InstallDependenciesResponse(stderr=text)

    def run(self, request: Any) -> Any:
        """Run a program to its end; what it prints reaches the engine by this process's stdout and stderr."""
        self.introduce()
        command = [python_of(request.info), "-u", str(RUNNER)]
        program = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=request.pwd)
        self._children.append(program)
        program.communicate(json.dumps(program_order(request, self.engine_address)).encode())
        status = program.returncode
        if status in (0, ERROR_SHOWN):
            return language_pb2.RunResponse(bail=status == ERROR_SHOWN)
        end = f"exited with status {status}" if status > 0 else f"was ended by signal {-status}"
        return language_pb2.RunResponse(error=f"the program {end}")

    def run_plugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a plugin, such as a policy pack, in its own environment until the engine hangs up."""
        args = [request.info.program_directory, *request.args]
        if request.kind == "analyzer":  # the SDK starts a policy pack; it takes the engine's address first
            args = ["-m", "pulumi.policy", args[1], args[0], *args[2:]]
        try:
            command = [python_of(request.info), "-u", *args]
        except PluginError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        environment = dict(entry.split("=", 1) for entry in request.env)
        plugin = subprocess.Popen(command, cwd=request.pwd, env=environment, stdout=subprocess.PIPE)
        self._children.append(plugin)
        context.add_callback(plugin.kill)
        output: Any = plugin.stdout
        while chunk := output.read1(65536):
            yield language_pb2.RunPluginResponse(stdout=chunk)
        yield language_pb2.RunPluginResponse(exitcode=plugin.wait())


def main() -> None:
    """Serve as `pulumi-language-python`; the engine's address is the last argument."""
    serve(PythonHost(sys.argv[-1]), language_pb2_grpc.add_LanguageRuntimeServicer_to_server)
