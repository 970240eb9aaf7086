"""Runs the whole program under a recorder: no engine, no provider, every registration kept."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks, settings, stack
from pulumi.runtime.config import set_all_config

from tests.program.aws_recorder import AwsRecorder

SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
Invoke = Callable[[dict[str, Any]], dict[str, Any]]
"""What a provider's function answers to its arguments."""


@dataclass(frozen=True)
class Registration:
    """One registered resource as the engine would have been asked for it."""

    type: str
    name: str
    parent: str
    provider: str
    inputs: dict[str, Any]
    dependencies: tuple[str, ...]
    urn: str
    protect: bool
    custom: bool

    @property
    def manifest(self) -> dict[str, Any]:
        """Inputs with secret wrappers opened."""
        opened: dict[str, Any] = open_secrets(self.inputs)
        return opened


def open_secrets(value: Any) -> Any:
    """Replace each secret wrapper by its plain value."""
    if isinstance(value, dict):
        if SECRET_SIGNATURE in value and "value" in value:
            return open_secrets(value["value"])
        return {key: open_secrets(child) for key, child in value.items()}
    if isinstance(value, list):
        return [open_secrets(child) for child in value]
    return value


@dataclass
class Deployment:
    """What one run of the program registered."""

    registrations: list[Registration] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, type_: str) -> list[Registration]:
        """All of one type, as in `kubernetes:apps/v1:Deployment`."""
        return [r for r in self.registrations if r.type == type_]

    def one(self, type_: str, name: str) -> Registration:
        """The one of this type and name."""
        (found,) = [r for r in self.of(type_) if r.name == name]
        return found

    def __iter__(self) -> Iterator[Registration]:
        return iter(self.registrations)


class _Workers(ThreadPoolExecutor):
    """The SDK's worker threads, each with an event loop that is closed: on its own the SDK would leak it."""

    def __init__(self) -> None:
        self._loops: list[asyncio.AbstractEventLoop] = []
        super().__init__(initializer=self._give_loop)

    def _give_loop(self) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._loops.append(loop)

    def close(self) -> None:
        """End the threads and close their loops."""
        self.shutdown()
        for loop in self._loops:
            loop.close()


class _Mocks(mocks.Mocks):
    def __init__(self, invokes: Mapping[str, Invoke]) -> None:
        self._invokes = invokes
        self.aws = AwsRecorder()

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        if args.token not in self._invokes:
            raise AssertionError(f"unexpected invoke of {args.token}")
        assert "pulumi:providers:" in args.provider, f"{args.token} is on a default provider"
        return self._invokes[args.token](args.args)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ.startswith("aws:"):
            return self.aws.answer(args.typ, args.name, args.inputs)
        state = dict(args.inputs)
        if args.typ.startswith("kubernetes:"):  # the provider names what has no name, in preview too
            state["metadata"] = {"name": f"{args.name}-1a2b3c4d", **state.get("metadata", {})}
        return f"{args.name}-id", state


class _Recorder(mocks.MockMonitor):
    def __init__(self, deployment: Deployment, invokes: Mapping[str, Invoke]) -> None:
        super().__init__(_Mocks(invokes))
        self._deployment = deployment

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self._deployment.registrations.append(
                Registration(
                    type=request.type,
                    name=request.name,
                    parent=request.parent.rsplit("::", 1)[-1],
                    provider=request.provider,
                    inputs=json_format.MessageToDict(request.object),
                    dependencies=tuple(sorted(d.rsplit("::", 1)[-1] for d in request.dependencies)),
                    urn=response.urn,
                    protect=request.protect,
                    custom=request.custom,
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        if request.urn.split("::")[-2] == "pulumi:pulumi:Stack" and request.outputs.fields:
            self._deployment.outputs = open_secrets(json_format.MessageToDict(request.outputs))
        return super().RegisterResourceOutputs(request)


def deploy(
    program: Callable[[], None],
    config: Mapping[str, Any],
    secrets: Mapping[str, Any],
    *,
    preview: bool = False,
    clear: Mapping[str, Any] | None = None,
    invokes: Mapping[str, Invoke] | None = None,
) -> Deployment:
    """Run `program` once with a fresh event loop, monitor and config; raises what the program raises.

    Raises RefusedError if AWS would not take some of its resources.

    `config` values and `secrets` are without the `llmserve:` prefix; `clear` are keys given without --secret.
    `invokes` answers functions by token; any other call fails, and so does one on a default provider.
    """
    deployment = Deployment()
    everything = {**config, **secrets, **(clear or {})}
    loop = asyncio.new_event_loop()
    workers = _Workers()
    loop.set_default_executor(workers)
    asyncio.set_event_loop(loop)
    recorder = _Recorder(deployment, invokes or {})
    mocks.set_mocks(recorder.mocks, project="llmserve", stack="test", preview=preview, monitor=recorder)
    set_all_config(
        {f"llmserve:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in everything.items()},
        [f"llmserve:{key}" for key in secrets],
    )
    settings.ROOT.set(None)  # set_mocks made a root stack; the program's own, with its outputs, comes now
    try:
        loop.run_until_complete(stack.run_in_stack(program))
    finally:
        workers.close()
        loop.close()
        asyncio.set_event_loop(None)
    recorder.mocks.aws.require_accepted()
    return deployment


def manifests(deployment: Deployment) -> list[dict[str, Any]]:
    """Kubernetes objects of a run, secrets opened."""
    return [r.manifest for r in deployment if r.type.startswith("kubernetes:")]


__all__ = ["Deployment", "Registration", "deploy", "manifests", "open_secrets", "pulumi"]
