"""What the kubernetes stand-in answers the engine, with an API server that plays a part."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from pulumi.runtime.proto import provider_pb2 as wire

from local.providers.kubernetes.client import ApiError, Cluster, Place, warning_text
from local.providers.kubernetes.provider import KubernetesProvider
from local.providers.kubernetes.settings import Settings
from local.providers.kubernetes.waiting import Waiter
from local.providers.protocol import UNKNOWN, PartialFailureError, PluginError, decode, encode, sealed

PLACE = Place("/api/v1/namespaces/here/secrets", "/api/v1/namespaces/here/secrets/s", "here/s")
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dg=="}}
LIVE = SECRET | {"metadata": {"name": "s", "namespace": "here", "managedFields": []}}
KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: here}}]
current-context: x
"""


class Server:
    """Holds at most one object; `apply` does what the test says."""

    def __init__(self, apply: Callable[[], Any] = lambda: LIVE, there: Any = None) -> None:
        self._apply, self._there = apply, there
        self.applied: list[dict[str, Any]] = []

    def place(self, *_address: str) -> Place:
        return PLACE

    def get(self, _path: str) -> Any:
        return self._there

    def apply(self, _place: Place, manifest: dict[str, Any], **options: Any) -> Any:
        self.applied.append({"manifest": manifest, **options})
        return self._apply()

    def try_create(self, _place: Place, manifest: dict[str, Any], warn: Any) -> Any:
        return self.apply(PLACE, manifest, warn=warn)


def provider(server: Server, **settings: str) -> KubernetesProvider:
    made = KubernetesProvider("127.0.0.1:9")
    made._settings = Settings({"kubeconfig": KUBECONFIG, **settings})
    made._cluster = cast("Cluster", server)
    made._waiter = Waiter(made._cluster, made._stop)
    return made


def create(inputs: dict[str, Any] = SECRET, preview: bool = False) -> Any:
    return wire.CreateRequest(
        urn="urn:x", name="s", type="kubernetes:core/v1:Secret", properties=encode(inputs), preview=preview
    )


def failing(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def test_a_new_object_gets_its_id_and_its_content_is_sealed() -> None:
    answer = provider(Server()).create(create())
    assert answer.id == "here/s"
    assert answer.properties == encode(
        {**SECRET, "metadata": {"name": "s", "namespace": "here"}, "data": sealed({"k": "dg=="})}
    )


def test_a_create_without_an_answer_is_claimed_so_that_nothing_is_orphaned() -> None:
    server = Server(failing(ApiError("the connection broke", is_open=True)))
    with pytest.raises(PartialFailureError, match="the connection broke") as raised:
        provider(server).create(create())
    assert raised.value.detail.id == "here/s"
    assert raised.value.detail.properties == encode(SECRET | {"data": sealed({"k": "dg=="})})


@pytest.mark.parametrize("error", [ApiError("connection refused"), ApiError("it is invalid", 422)])
def test_a_create_that_surely_did_nothing_is_a_plain_failure(error: ApiError) -> None:
    with pytest.raises(ApiError, match=str(error)):
        provider(Server(failing(error))).create(create())


def test_any_failure_after_the_write_keeps_the_object(monkeypatch: pytest.MonkeyPatch) -> None:
    made = provider(Server())
    monkeypatch.setattr(made._waiter, "look", lambda _: 1 / 0)
    with pytest.raises(PartialFailureError, match="ZeroDivisionError: division by zero") as raised:
        made.create(create())
    assert raised.value.detail.id == "here/s"


def test_an_object_that_exists_is_not_taken_unless_told_so() -> None:
    with pytest.raises(PluginError, match="Secret here/s exists, but not in this stack: import it"):
        provider(Server(there=LIVE)).create(create())
    assert provider(Server(there=LIVE), upsertExistingObjects="true").create(create()).id == "here/s"


def test_nothing_is_applied_after_ctrl_c() -> None:
    server = Server()
    stopped = provider(server)
    stopped.cancel(None)
    with pytest.raises(PluginError, match="cancelled before it was applied"):
        stopped.create(create())
    assert server.applied == []


@pytest.mark.parametrize(
    "error",
    [ApiError("exists", 409), ApiError("no namespace", 404, "namespaces")],
    ids=["name taken", "no namespace"],
)
def test_a_preview_forgives_what_the_run_itself_may_change(error: ApiError) -> None:
    answer = provider(Server(failing(error))).create(create(preview=True))
    assert decode(answer.properties)["status"] == UNKNOWN


def test_a_preview_asks_the_server_only_about_what_is_known() -> None:
    server = Server(failing(ApiError("it is invalid", 422)))
    made = provider(server)
    made.create(create(SECRET | {"type": UNKNOWN}, preview=True))
    assert server.applied == []
    with pytest.raises(ApiError, match="it is invalid"):
        made.create(create(preview=True))


def test_a_conflict_names_the_owner_and_the_way_out_and_can_be_forced() -> None:
    text = 'Apply failed with 1 conflict: conflict with "hpa": .spec.replicas'
    request = wire.UpdateRequest(id="here/s", type="kubernetes:core/v1:Secret", news=encode(SECRET))
    with pytest.raises(PluginError, match=r"ignore_changes.*patchForce") as raised:
        provider(Server(failing(ApiError(text, 409)))).update(request)
    assert str(raised.value).startswith(text)
    for settings, annotations in (
        ({"enablePatchForce": "true"}, {}),
        ({}, {"pulumi.com/patchForce": "true"}),
    ):
        server = Server()
        forced = SECRET | {"metadata": {"name": "s", "annotations": annotations}}
        request.news.CopyFrom(encode(forced))
        provider(server, **settings).update(request)
        assert server.applied[0]["force"] is True


def test_a_kind_that_no_definition_can_add_is_refused_at_once() -> None:
    server = Server()
    server.place = lambda *_: Place("", "", "s")  # type: ignore[method-assign]
    request = create(preview=True)
    with pytest.raises(PluginError, match="the cluster serves no Secret in v1"):
        provider(server).create(request)
    request.type = "kubernetes:keda.sh/v1alpha1:ScaledObject"
    assert provider(server).create(request).id == "", "its definition may be made in the same run"


def test_an_unready_object_is_told_at_refresh_so_that_the_next_up_goes_on() -> None:
    live = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "s"},
        "status": {"phase": "Terminating"},
    }
    inputs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "s"}}
    request = wire.ReadRequest(id="s", type="kubernetes:core/v1:Namespace", inputs=encode(inputs))
    with pytest.raises(PartialFailureError, match="the namespace is Terminating") as raised:
        provider(Server(there=live)).read(request)
    assert decode(raised.value.detail.inputs) == inputs
    assert provider(Server(there=None)).read(request).id == "", "what is gone has no id"


def release(values: dict[str, Any], preview: bool = False) -> Any:
    return wire.CreateRequest(
        name="r", type="kubernetes:helm.sh/v3:Release", properties=encode(values), preview=preview
    )


def test_a_chart_release_is_kept_as_given_and_said_to_be_nothing_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = provider(Server(failing(AssertionError("the server must not be asked"))))
    values = {"chart": "metrics-server", "values": {"a": [1, None]}}
    assert decode(made.create(release(values)).properties) == values
    assert "did NOT install this Helm release" in capsys.readouterr().err, "no engine listens here"


def test_a_chart_release_brings_its_kinds_by_name_but_not_at_a_preview() -> None:
    server = Server()
    provider(server).create(release({"chart": "keda"}, preview=True))
    assert server.applied == []
    provider(server).create(release({"chart": "keda"}))
    (applied,) = server.applied
    assert applied["manifest"]["spec"]["names"]["kind"] == "ScaledObject"
    assert applied["dry_run"] is False


def test_a_fault_in_the_settings_is_told_without_their_value() -> None:
    checked = KubernetesProvider("127.0.0.1:9").check_config(
        wire.CheckRequest(news=encode({"kubeconfig": KUBECONFIG, "context": "ghost"}))
    )
    (failure,) = checked.failures
    assert failure.property == "", "with a property the engine would show its value, keys and all"
    assert "ghost" in failure.reason
    unknown = wire.CheckRequest(news=encode({"kubeconfig": UNKNOWN, "context": "ghost"}))
    assert not KubernetesProvider("127.0.0.1:9").check_config(unknown).failures


def test_a_diff_tells_the_engine_paths_kinds_and_order() -> None:
    request = wire.DiffRequest(
        id="here/s",
        old_inputs=encode(SECRET),
        news=encode(SECRET | {"data": {"k": "bmV3"}, "metadata": {"name": "s", "labels": {"a/b": "c"}}}),
    )
    answer = provider(Server()).diff(request)
    assert answer.changes == wire.DiffResponse.DIFF_SOME
    assert {path: diff.kind for path, diff in answer.detailedDiff.items()} == {
        "data.k": wire.PropertyDiff.UPDATE_REPLACE,
        "metadata.labels": wire.PropertyDiff.ADD,
    }
    assert (list(answer.diffs), list(answer.replaces)) == (["data", "metadata"], ["data.k"])
    assert answer.deleteBeforeReplace


def test_a_warning_of_the_api_server_is_told_whole_quotes_included() -> None:
    assert warning_text(r'299 - "duplicate port name \"http\" here"') == 'duplicate port name "http" here'
