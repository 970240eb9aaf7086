"""The protocol base of the stand-ins: values on the wire, failures as the engine reads them."""

from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2, status_pb2

from local.providers.protocol import (
    UNKNOWN,
    PartialFailureError,
    Plugin,
    PluginError,
    _Servicer,
    decode,
    encode,
    has_unknown,
    sealed,
)


@pytest.mark.parametrize(
    "value",
    [{}, {"a": None, "b": True, "c": 0, "d": -3, "e": 1.5, "f": "", "g": [], "h": [1, {"i": [None, "x"]}]}],
)
def test_values_survive_the_wire(value: dict[str, Any]) -> None:
    back = decode(encode(value))
    assert back == value
    assert isinstance(decode(encode({"replicas": 3}))["replicas"], int)
    assert decode(Struct()) == {}


def test_secrets_are_unwrapped_wherever_they_are() -> None:
    assert decode(encode({"a": sealed("x"), "b": [sealed({"c": 1})]})) == {"a": "x", "b": [{"c": 1}]}


def test_unknowns_are_found_at_any_depth() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "known"}], "c": None})


class RefusedError(Exception):
    """What a gRPC context raises when a call is aborted."""


class Context:
    def __init__(self) -> None:
        self.metadata: dict[str, bytes] = {}

    def set_trailing_metadata(self, metadata: Any) -> None:
        self.metadata = dict(metadata)

    def abort(self, code: grpc.StatusCode, text: str) -> None:
        raise RefusedError(code, text)


class Example(Plugin):
    answers_for, package = "pulumi-example", "pulumi"

    def diff_config(self, request: str) -> str:
        if request == "bad":
            raise PluginError("settings.x is wrong")
        if request == "partial":
            raise PartialFailureError("here/x", {"a": 1}, {"b": 2}, "not ready")
        return {"good": "answer"}[request]


def ask(request: str, call: str = "DiffConfig") -> tuple[Any, Context]:
    context = Context()
    try:
        return getattr(_Servicer(Example("127.0.0.1:9")), call)(request, context), context
    except RefusedError as refused:
        return refused.args, context


def test_a_call_is_answered_by_the_method_of_its_name() -> None:
    assert ask("good")[0] == "answer"
    assert ask("", "GetPluginInfo")[0].version.startswith("3.")


def test_what_has_no_method_is_refused_and_says_where_to_read_on() -> None:
    (code, text), _ = ask("", "GetSchema")
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert text == "the stand-in for pulumi-example does not answer GetSchema; see docs/stand-ins.md"


def test_a_refusal_is_a_state_the_engine_understands() -> None:
    assert ask("bad")[0] == (grpc.StatusCode.FAILED_PRECONDITION, "settings.x is wrong")


def test_a_partial_failure_carries_the_object_so_that_it_is_not_orphaned() -> None:
    (code, text), context = ask("partial")
    assert (code, text) == (grpc.StatusCode.UNKNOWN, "not ready")
    status = status_pb2.Status.FromString(context.metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("here/x", ["not ready"])
    assert (decode(detail.properties), decode(detail.inputs)) == ({"a": 1}, {"b": 2})


def test_a_fault_of_our_own_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (code, text), _ = ask("nonsense")
    assert (code, text) == (
        grpc.StatusCode.INTERNAL,
        "the stand-in for pulumi-example is at fault: KeyError: 'nonsense'",
    )
    assert "Traceback" in capsys.readouterr().err, "for the engine's log"
