"""Stand-in for pulumi-resource-kubernetes: answers the engine about every Kubernetes object."""

import sys
import threading
import time
from functools import partial
from typing import Any

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as wire
from pulumi.runtime.proto import provider_pb2_grpc

from local import chart_kinds
from local.providers import protocol
from local.providers.differences import diff_response
from local.providers.kubernetes import objects
from local.providers.kubernetes.client import ApiError, Cluster, Place
from local.providers.kubernetes.diff import compare
from local.providers.kubernetes.settings import Settings, is_other_cluster
from local.providers.kubernetes.waiting import Waiter
from local.providers.protocol import Json, PartialFailureError, PluginError, decode, encode

RELEASE = "kubernetes:helm.sh/v3:Release"
NOT_INSTALLED = "recorded only: the stand-in did NOT install this Helm release; see docs/stand-ins.md"
TIMEOUT_SECONDS = 600.0  # as the official provider
SERVED_SECONDS = 10.0  # so long does an `up` wait for a kind whose definition was made a moment ago
NONE, SOME = wire.DiffResponse.DIFF_NONE, wire.DiffResponse.DIFF_SOME


class KubernetesProvider(protocol.Plugin):
    """The resource provider `kubernetes`, configured for one cluster."""

    answers_for, package = "pulumi-resource-kubernetes", "pulumi-kubernetes"

    def __init__(self, engine_address: str) -> None:
        super().__init__(engine_address)
        self._stop = threading.Event()

    def close(self) -> None:
        """Stop every wait at once."""
        self._stop.set()

    def handshake(self, _request: Any) -> Any:
        """Accept no secrets: the engine unwraps them for us and marks our outputs at the same paths."""
        self.introduce()
        return wire.ProviderHandshakeResponse()

    def check_config(self, request: Any) -> Any:
        """Refuse settings that cannot work; what is not known yet is taken on trust."""
        news, failures = decode(request.news), []
        try:
            if not protocol.has_unknown(news):
                Settings(news)
        except PluginError as error:
            failures = [wire.CheckFailure(reason=str(error))]  # no property: the engine would show its value
        return wire.CheckResponse(inputs=request.news, failures=failures)

    def diff_config(self, request: Any) -> Any:
        """Replace the provider, and with it every object, only when it now means another cluster."""
        old, new = decode(request.old_inputs), decode(request.news)
        changed = [key for key in sorted(old | new) if old.get(key) != new.get(key)]
        replaces = changed if changed and is_other_cluster(old, new) else []
        return wire.DiffResponse(changes=SOME if changed else NONE, diffs=changed, replaces=replaces)

    def configure(self, request: Any) -> Any:
        """Read the settings; the server is first spoken to when a resource needs it."""
        self._settings = Settings(decode(request.args))
        self._cluster = Cluster(self._settings.kubeconfig)
        self._waiter = Waiter(self._cluster, self._stop)
        return wire.ConfigureResponse()

    def check(self, request: Any) -> Any:
        """Complete and check a resource's inputs."""
        if request.type == RELEASE:
            return wire.CheckResponse(inputs=request.news)
        old, new = decode(request.olds), decode(request.news)
        inputs, faults = objects.checked(request.type, request.name, old, new, request.randomSeed)
        failures = [wire.CheckFailure(reason=fault) for fault in faults]
        return wire.CheckResponse(inputs=encode(objects.guarded(inputs)), failures=failures)

    def diff(self, request: Any) -> Any:
        """Tell which properties change, and whether that needs a new object."""
        old, new = decode(request.old_inputs), decode(request.news)
        change = compare(request.id, old, new, self._settings.namespace, self._settings.mutable)
        return diff_response(change.paths, change.replacing, delete_first=change.delete_first)

    def create(self, request: Any) -> Any:
        """Make a new object and wait until it is ready; at a preview only let the server check it."""
        object_id, outputs = self._put(request, decode(request.properties), None)
        return wire.CreateResponse(id=object_id, properties=encode(outputs))

    def update(self, request: Any) -> Any:
        """Change an object and wait until it is ready again; at a preview only let the server check it."""
        _, outputs = self._put(request, decode(request.news), decode(request.olds))
        return wire.UpdateResponse(properties=encode(outputs))

    def delete(self, request: Any) -> Any:
        """Delete an object and wait until it is gone."""
        inputs = decode(request.old_inputs)
        place = self._place(request, inputs)
        if live := self._cluster.get(place.path):
            policy = objects.annotation(inputs, "deletionPropagationPolicy").capitalize() or "Foreground"
            self._cluster.delete(place, policy)
            self._waiter.wait(place.path, *self._patience(request, inputs), leaving=live["metadata"]["uid"])
        return Empty()

    def read(self, request: Any) -> Any:
        """Read an object as it is: what drifted shows in the inputs, what is gone has no id."""
        inputs = decode(request.inputs)
        if request.type == RELEASE:
            return wire.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        live = self._cluster.get(self._place(request, inputs).path)
        if not live:
            return wire.ReadResponse()
        is_ours, outputs = bool(inputs.get("kind")), objects.outputs_of(live)
        seen = objects.guarded(objects.projected(inputs, live) if is_ours else objects.imported(live))
        if is_ours and (lack := self._lack(live, inputs)):  # else the next `up` would call it good
            raise PartialFailureError(request.id, outputs, seen, lack)
        return wire.ReadResponse(id=request.id, properties=encode(outputs), inputs=encode(seen))

    def _put(self, request: Any, inputs: Json, old_outputs: Json | None) -> tuple[str, Json]:
        """Make (no old outputs) or change an object; return its id and outputs."""
        if request.type == RELEASE:
            self._warn(request, NOT_INSTALLED)
            for kind in () if request.preview else chart_kinds.definitions(inputs["chart"]):
                place = self._cluster.place(kind["apiVersion"], kind["kind"], "", kind["metadata"]["name"])
                self._cluster.apply(place, kind, force=True, dry_run=False, warn=partial(self._warn, request))
            return request.name, inputs
        is_new, place = old_outputs is None, self._place(request, inputs)
        if request.preview:
            if place.collection and not protocol.has_unknown(inputs):
                self._apply(request, place, inputs, is_new)
            return "", objects.foreseen(inputs, old_outputs)
        end = time.monotonic() + SERVED_SECONDS
        while not place.collection:
            if time.monotonic() > end or self._stop.wait(0.25):
                raise PluginError(f"the cluster serves no {inputs['kind']} in {inputs['apiVersion']}")
            place = self._place(request, inputs)
        if is_new and not self._settings.upsert and self._cluster.get(place.path):
            what = f"{inputs['kind']} {place.object_id} exists, but not in this stack"
            raise PluginError(f"{what}: import it, delete it, or set the provider's upsertExistingObjects")
        try:
            live = self._apply(request, place, inputs, is_new)
        except ApiError as error:
            if not error.is_open:
                raise
            # It may be done all the same. Claimed here, the next `up` applies it again and so finds out.
            outputs = objects.guarded({**(old_outputs or {}), **inputs})
            raise PartialFailureError(place.object_id, outputs, {}, str(error)) from None
        try:
            if self._lack(live, inputs):
                live = self._waiter.wait(place.path, *self._patience(request, inputs))
        except Exception as error:  # whatever it is: the object exists
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            raise PartialFailureError(place.object_id, objects.outputs_of(live), {}, reason) from error
        return place.object_id, objects.outputs_of(live)

    def _apply(self, request: Any, place: Place, inputs: Json, is_new: bool) -> Json:
        """Apply an object; at a preview only let the server check it."""
        if self._stop.is_set():
            raise PluginError("cancelled before it was applied")
        force = self._settings.patch_force or objects.annotation(inputs, "patchForce") == "true"
        manifest, warn = objects.manifest(inputs, place.path.rpartition("/")[2]), partial(self._warn, request)
        try:
            if request.preview and is_new:
                return self._cluster.try_create(place, manifest, warn)
            return self._cluster.apply(place, manifest, force=force, dry_run=request.preview, warn=warn)
        except ApiError as error:
            if request.preview and (error.code, error.about) == (404, "namespaces"):
                return {}  # perhaps it is about to be made
            if error.code != 409:
                raise
            if request.preview and is_new:
                return {}  # perhaps the name is about to be free (a replacement); the rest has been checked
            advice = 'leave it to its owner (ignore_changes), or annotate pulumi.com/patchForce: "true"'
            raise PluginError(f"{error}; {advice}") from None

    def _lack(self, live: Json, inputs: Json) -> str:
        return "" if objects.annotation(inputs, "skipAwait") == "true" else self._waiter.look(live)[0]

    def _patience(self, request: Any, inputs: Json) -> tuple[float, Any]:
        """Return how many seconds a wait may take, and how its progress is told."""
        seconds = request.timeout or float(objects.annotation(inputs, "timeoutSeconds") or TIMEOUT_SECONDS)
        return seconds, partial(self.tell, urn=request.urn, passing=True)

    def _warn(self, request: Any, text: str) -> None:
        self.tell(text, request.urn, severity=protocol.WARNING)

    def _place(self, request: Any, inputs: Json) -> Place:
        """Find where a resource's object lives or will live."""
        wanted = objects.metadata_of(inputs)
        namespace, _, name = getattr(request, "id", "").rpartition("/")
        namespace = namespace or wanted.get("namespace") or self._settings.namespace
        api_version, kind = objects.kind_of(request.type)
        place = self._cluster.place(api_version, kind, namespace, name or wanted.get("name", ""))
        if not place.collection and "." not in api_version.partition("/")[0]:  # and no definition can add it
            raise PluginError(f"the cluster serves no {kind} in {api_version}")
        return place


def main() -> None:
    """Serve as `pulumi-resource-kubernetes`; the engine's address is the last argument."""
    protocol.serve(KubernetesProvider(sys.argv[-1]), provider_pb2_grpc.add_ResourceProviderServicer_to_server)
