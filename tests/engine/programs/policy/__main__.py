"""A policy pack in the raw protocol: it advises on every resource, and says which environment it runs in."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

FINDING = {"policyName": "said", "policyPackName": "environment", "message": f"checked by {sys.prefix}"}
ANSWERS: dict[str, Callable[[Any], Any]] = {
    "Handshake": lambda _: analyzer_pb2.AnalyzerHandshakeResponse(),
    "GetPluginInfo": lambda _: plugin_pb2.PluginInfo(version="1.0.0"),
    "GetAnalyzerInfo": lambda _: analyzer_pb2.AnalyzerInfo(
        name="environment", policies=[analyzer_pb2.PolicyInfo(name="said")]
    ),
    "Analyze": lambda request: analyzer_pb2.AnalyzeResponse(
        diagnostics=[analyzer_pb2.AnalyzeDiagnostic(urn=request.urn, **FINDING)]
    ),
    "AnalyzeStack": lambda _: analyzer_pb2.AnalyzeResponse(),
    "Remediate": lambda _: analyzer_pb2.RemediateResponse(),
}


class Pack:
    def __getattr__(self, call: str) -> Callable[[Any, Any], Any]:
        return lambda request, _context: ANSWERS.get(call, lambda _: Empty())(request)


server = grpc.server(ThreadPoolExecutor(4))
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
threading.Event().wait()
