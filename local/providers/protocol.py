"""What every stand-in plugin shares: values on the wire, failures, lines for the user, the server."""

import atexit
import inspect
import json
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, status_pb2

Json = dict[str, Any]

UNKNOWN = rpc.UNKNOWN  # stands on the wire for a value that is not known during a preview
INFO, WARNING = engine_pb2.INFO, engine_pb2.WARNING
# A wait may take minutes and must not starve another call, least of all the one that cancels it.
MAX_CALLS = 4096  # threads are made on demand, and the engine bounds how many calls are under way


class PluginError(Exception):
    """A refusal or failure, told in one line. The call has changed nothing."""


class PartialFailureError(Exception):
    """The object exists, but not as wanted. Failures after a write must be this, else it is orphaned."""

    def __init__(self, object_id: str, outputs: Json, inputs: Json, reason: str) -> None:
        super().__init__(reason)
        self.detail = provider_pb2.ErrorResourceInitFailed(
            id=object_id, properties=encode(outputs), inputs=encode(inputs), reasons=[reason]
        )


def decode(value: Any) -> Any:
    """Turn a protobuf Struct into a plain dict: whole numbers become int, secrets are unwrapped."""
    if isinstance(value, Struct):
        return decode(MessageToDict(value))
    if isinstance(value, dict):
        fields = {key: decode(field) for key, field in value.items()}
        return fields["value"] if fields.get(rpc._special_sig_key) == rpc._special_secret_sig else fields
    if isinstance(value, list):
        return [decode(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def encode(value: Json) -> Struct:
    """Turn a plain dict into a protobuf Struct."""
    struct = Struct()
    struct.update(value)
    return struct


def sealed(value: Any) -> Json:
    """Mark a value as secret: the engine encrypts it in its state and hides it on the screen."""
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


def has_unknown(value: Any) -> bool:
    """Whether a value, or anything inside it, is not known yet."""
    return UNKNOWN in json.dumps(value)


class Plugin:
    """Base of a stand-in. A call `GetPluginInfo` is answered by a method `get_plugin_info(request)`.

    A method that yields answers a streaming call and gets `(request, context)`. Without a method: refused.
    """

    answers_for: str  # the official plugin
    package: str  # the Python package whose version is answered for

    def __init__(self, engine_address: str) -> None:
        self.engine_address = engine_address
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address))

    def tell(self, message: str, urn: str = "", *, severity: Any = INFO, passing: bool = False) -> None:
        """Show the user a line about a resource or the run; a passing one is replaced by the next."""
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=passing)
        try:
            self._engine.Log(request)
        except grpc.RpcError:
            print(message, file=sys.stderr)  # the engine is gone; there is nobody else to tell

    def get_plugin_info(self, _request: Any) -> Any:
        """Name the version that is answered for."""
        return plugin_pb2.PluginInfo(version=metadata.version(self.package))

    def introduce(self) -> None:
        """Say that this is a stand-in."""
        self.tell(f"{self.answers_for}: the llmserve stand-in answers in its place; see docs/stand-ins.md")

    def close(self) -> None:
        """End whatever is under way: the user pressed Ctrl-C, or the plugin stops."""

    def cancel(self, _request: Any) -> Empty:
        """Answer the engine's wish that everything under way ends soon."""
        self.close()
        return Empty()


class _Servicer:
    """Answers every call of a gRPC service by the plugin's method, and turns exceptions into statuses."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def __getattr__(self, call: str) -> Callable[[Any, Any], Any]:
        method: Any = getattr(self._plugin, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", call).lower(), None)
        name = f"the stand-in for {self._plugin.answers_for}"

        def unary(request: Any, context: Any) -> Any:
            if method is None:
                context.abort(
                    grpc.StatusCode.UNIMPLEMENTED, f"{name} does not answer {call}; see docs/stand-ins.md"
                )
            try:
                return method(request)
            except PartialFailureError as failure:
                status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure))
                status.details.add().Pack(failure.detail)
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.abort(grpc.StatusCode.UNKNOWN, str(failure))
            except PluginError as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            except Exception as error:
                traceback.print_exc()  # shown by `pulumi --logtostderr -v=9`
                fault = f"{type(error).__name__}: {error}"
                context.abort(grpc.StatusCode.INTERNAL, f"{name} is at fault: {fault}")

        return method if inspect.isgeneratorfunction(method) else unary


def serve(plugin: Plugin, register: Callable[[Any, Any], None]) -> None:
    """Answer the engine until it asks to stop or is gone. `register` is the service's generated function."""
    server = grpc.server(ThreadPoolExecutor(MAX_CALLS), options=[("grpc.max_receive_message_length", -1)])
    register(_Servicer(plugin), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(port, flush=True)  # the engine reads it from the first line
    parent = os.getppid()
    while not stop.wait(timeout=1):
        if os.getppid() != parent:  # an engine that was killed cannot ask to stop
            break
    plugin.close()
    server.stop(grace=2).wait()
    atexit._run_exitfuncs()  # the Kubernetes client keeps keys in files and removes them here
    os._exit(0)  # a thread that is still inside an HTTP call must not hold the process
