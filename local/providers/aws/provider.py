"""Stand-in for pulumi-resource-aws: answers the engine about every AWS resource."""

import secrets
import sys
import threading
from typing import Any

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as wire
from pulumi.runtime.proto import provider_pb2_grpc

from local.providers import protocol
from local.providers.aws import machines, objects, shapes
from local.providers.aws.catalogue import behaviours
from local.providers.aws.cloud import CLUSTER, Cloud
from local.providers.aws.validate import validate
from local.providers.differences import diff_response, differences, touch
from local.providers.protocol import Json, PartialFailureError, PluginError, decode, encode


class AwsProvider(protocol.Plugin):
    """The resource provider `aws`, for one region of an account that is a folder."""

    answers_for, package = "pulumi-resource-aws", "pulumi-aws"

    def __init__(self, engine_address: str) -> None:
        super().__init__(engine_address)
        self._cloud = Cloud()
        self._lock = threading.Lock()  # what is taken, held or made a node is asked and changed in one go

    def handshake(self, _request: Any) -> Any:
        """Accept no secrets: the engine unwraps them for us and marks our outputs at the same paths."""
        self.introduce()
        return wire.ProviderHandshakeResponse()

    def check_config(self, request: Any) -> Any:
        """Refuse settings that cannot work; what is not known yet is taken on trust."""
        failures = []
        try:
            objects.settings(decode(request.news))
        except (PluginError, ValueError) as error:
            failures = [wire.CheckFailure(reason=str(error))]
        return wire.CheckResponse(inputs=request.news, failures=failures)

    def diff_config(self, request: Any) -> Any:
        """Change the provider in place: whether a resource must be replaced, each says for itself."""
        old, new = decode(request.old_inputs), decode(request.news)
        return diff_response(dict(differences(old, new)), [], delete_first=False)

    def configure(self, request: Any) -> Any:
        """Read region and default tags."""
        self._settings = objects.settings(decode(request.args))
        return wire.ConfigureResponse()

    def check(self, request: Any) -> Any:
        """Complete and check a resource's inputs."""
        old, new = decode(request.olds), decode(request.news)
        faults, seed = [], request.randomSeed or secrets.token_bytes()
        try:
            new = objects.completed(request.type, request.name, old, new, self._settings, seed)
        except PluginError as error:
            faults = [str(error)]
        faults += [str(finding) for finding in validate(request.type, objects.checkable(new))]
        failures = [wire.CheckFailure(reason=fault) for fault in faults]  # a property would show its value
        return wire.CheckResponse(inputs=encode(new), failures=failures)

    def diff(self, request: Any) -> Any:
        """Tell which properties change, and whether that needs a new object."""
        old, new = decode(request.old_inputs), decode(request.news)
        fixed = shapes.fixed(behaviours()[request.type], old | new)
        paths = dict(differences(objects.seen(old), objects.seen(new)))
        replacing = [path for path in paths if any(touch(path, field) for field in fixed)]
        delete_first = objects.deletes_first(request.type, old, new)
        return diff_response(paths, replacing, delete_first=delete_first)

    def create(self, request: Any) -> Any:
        """Make a new object; at a preview only foresee it."""
        token, inputs = request.type, decode(request.properties)
        if request.preview:
            return wire.CreateResponse(properties=encode(objects.foreseen(token, inputs)))
        with self._lock:
            seed = secrets.token_hex(8)
            object_id, _ = objects.identified(token, inputs, self._settings["region"], seed)
            self._cloud.require_free(token, object_id, inputs)
            outputs = self._put(token, inputs, seed, 1)
        return wire.CreateResponse(id=object_id, properties=encode(outputs))

    def update(self, request: Any) -> Any:
        """Change an object; at a preview only foresee it."""
        token, old, new = request.type, decode(request.old_inputs), decode(request.news)
        if request.preview:
            foreseen = objects.foreseen(token, new, old, decode(request.olds))
            return wire.UpdateResponse(properties=encode(foreseen))
        with self._lock:
            record = self._cloud.get(token, request.id)
            if record is None:
                raise PluginError(f"NotFound: {request.id} is gone; run `pulumi refresh`")
            revision = record["revision"] + objects.is_revised(token, record["inputs"], new)
            outputs = self._put(token, new, record["seed"], revision)
        return wire.UpdateResponse(properties=encode(outputs))

    def delete(self, request: Any) -> Any:
        """Delete an object, unless others hold it."""
        with self._lock:
            record = self._cloud.get(request.type, request.id)
            if record and request.type == machines.NODE_GROUP:
                machines.keep(record["inputs"], [])
            self._cloud.delete(request.type, request.id)
        return Empty()

    def read(self, request: Any) -> Any:
        """Read an object as it is; what is gone has no id."""
        record = self._cloud.get(request.type, request.id)
        if record is None:
            return wire.ReadResponse()
        outputs, inputs = encode(record["outputs"]), encode(record["inputs"])
        return wire.ReadResponse(id=request.id, properties=outputs, inputs=inputs)

    def invoke(self, request: Any) -> Any:
        """Answer a function."""
        found: Any = {"return": encode(objects.answer(request.tok, decode(request.args)))}
        return wire.InvokeResponse(**found)

    def _put(self, token: str, inputs: Json, seed: str, revision: int) -> Json:
        """Write an object as it now is; return its outputs."""
        object_id, outputs = objects.identified(token, inputs, self._settings["region"], seed, revision)
        if token == CLUSTER:
            outputs |= machines.cluster_outputs()
        self._cloud.put(token, object_id, inputs=inputs, outputs=outputs, seed=seed, revision=revision)
        if token == machines.NODE_GROUP:
            try:
                machines.keep(inputs, machines.manifests(self._cloud, inputs, self._settings["region"]))
            except PluginError as error:
                raise PartialFailureError(object_id, outputs, inputs, str(error)) from None
        return outputs


def main() -> None:
    """Serve as `pulumi-resource-aws`; the engine's address is the last argument."""
    protocol.serve(AwsProvider(sys.argv[-1]), provider_pb2_grpc.add_ResourceProviderServicer_to_server)
