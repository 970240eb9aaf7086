"""Which changes the kubernetes stand-in sees, and which of them replace the object."""

from typing import Any

import pytest

from local.providers.kubernetes.diff import Change, compare
from local.providers.protocol import UNKNOWN

WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web"}},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "containers": [{"image": "1"}]},
}
MADE = {"name": "map-1", "annotations": {"pulumi.com/autonamed": "true"}}


def changed(old: dict[str, Any], **new: Any) -> Change:
    return compare(f"here/{old['metadata']['name']}", old, old | new, "here", set())


def a(kind: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **fields}


def test_equal_inputs_make_no_change() -> None:
    assert compare("here/web", WEB, WEB, "here", set()) == Change({}, [], delete_first=True)


def test_paths_are_written_as_pulumi_does() -> None:
    spec = {
        "replicas": 2,
        "containers": [{"image": "2"}, {"image": "3"}],
        "selector": {"matchLabels": {"a": "b"}},
    }
    change = changed(WEB, spec=spec, metadata={"name": "web", "labels": {"app.kubernetes.io/name": "x"}})
    assert change.paths == {
        'metadata.labels["app.kubernetes.io/name"]': "UPDATE",
        "spec.containers[0].image": "UPDATE",
        "spec.containers[1]": "ADD",
        "spec.replicas": "UPDATE",
    }
    assert change.replacing == []
    assert changed(WEB, spec={"replicas": 1}).paths == {
        "spec.containers": "DELETE",
        "spec.selector": "DELETE",
    }


@pytest.mark.parametrize(
    ("old", "new", "replacing"),
    [
        (WEB["spec"], {"selector": {"matchLabels": {"a": "c"}}}, ["spec.selector.matchLabels.a"]),
        (WEB["spec"], {"selector": None}, ["spec.selector"]),
        (WEB["spec"], {"selectors": 1}, []),
    ],
)
def test_a_deployments_selector_is_fixed(
    old: dict[str, Any], new: dict[str, Any], replacing: list[str]
) -> None:
    assert changed(WEB, spec=old | new).replacing == replacing


@pytest.mark.parametrize(
    ("old", "field", "replacing"),
    [
        (a("ConfigMap", data={"k": "1"}), {"data": {"k": "2"}}, ["data.k"]),
        (a("Secret", data={"k": "MQ=="}), {"data": {"k": "Mg=="}}, ["data.k"]),
        (a("Secret", stringData={"k": "1"}), {"stringData": {"k": "2"}}, ["stringData.k"]),
        (a("Service", spec={"clusterIP": "None"}), {"spec": {"clusterIP": "10.0.0.1"}}, ["spec.clusterIP"]),
        (a("Service", spec={"type": "ClusterIP"}), {"spec": {"type": "LoadBalancer"}}, []),
        (a("PersistentVolumeClaim", spec={"r": "1Gi"}), {"spec": {"r": "2Gi"}}, ["spec.r"]),
        (
            a("Job", "batch/v1", spec={"template": {"a": 1}}),
            {"spec": {"template": {"a": 2}}},
            ["spec.template.a"],
        ),
        (a("Job", "batch/v1", spec={"suspend": True}), {"spec": {"suspend": False}}, []),
        (
            a("StatefulSet", "apps/v1", spec={"serviceName": "a"}),
            {"spec": {"serviceName": "b"}},
            ["spec.serviceName"],
        ),
        (a("StatefulSet", "apps/v1", spec={"replicas": 1}), {"spec": {"replicas": 2}}, []),
        (
            a("RoleBinding", "rbac.authorization.k8s.io/v1", roleRef={"n": 1}),
            {"roleRef": {"n": 2}},
            ["roleRef.n"],
        ),
        (a("Ingress", "networking.k8s.io/v1beta1"), {"apiVersion": "networking.k8s.io/v1"}, []),
        (a("Ingress", "extensions/v1beta1"), {"apiVersion": "networking.k8s.io/v1"}, ["apiVersion"]),
        (a("Thing", "x.example/v1", spec={"a": 1}), {"spec": {"a": 2}}, []),
        (a("Thing", "x.example/v1"), {"kind": "Other"}, ["kind"]),
    ],
)
def test_fixed_fields_need_a_new_object(
    old: dict[str, Any], field: dict[str, Any], replacing: list[str]
) -> None:
    assert changed(old, **field).replacing == replacing


def test_data_changes_in_place_only_where_the_provider_is_told_so_and_the_object_agrees() -> None:
    old, new = a("ConfigMap", data={"k": "1"}), a("ConfigMap", data={"k": "2"})
    assert compare("here/x", old, new, "here", {"ConfigMap"}).replacing == []
    fixed = new | {"immutable": True}
    assert compare("here/x", fixed, fixed | {"data": {"k": "3"}}, "here", {"ConfigMap"}).replacing == [
        "data.k"
    ]
    retyped = a("Secret", data={"k": "Mg=="}, type="other")
    assert compare("here/x", a("Secret", type="one"), retyped, "here", {"Secret"}).replacing == ["type"]


def test_a_secret_said_in_other_words_is_the_same() -> None:
    assert changed(a("Secret", stringData={"k": "1"}), stringData=None, data={"k": "MQ=="}).paths == {}


@pytest.mark.parametrize("new", [{"stringData": UNKNOWN}, {"stringData": {"k": UNKNOWN}}, {"data": UNKNOWN}])
def test_a_secret_that_is_not_known_yet_may_change(new: dict[str, Any]) -> None:
    change = changed(a("Secret", stringData={"k": "1"}), **new)
    assert change.replacing
    assert change.replacing == [*change.paths]


@pytest.mark.parametrize(
    ("metadata", "default", "paths"),
    [
        ({"name": "x"}, "here", {}),
        ({"name": "y"}, "here", {"metadata.name": "UPDATE"}),
        ({"name": "x", "namespace": "here"}, "elsewhere", {"metadata.namespace": "ADD"}),
        ({"name": "x", "namespace": "there"}, "here", {"metadata.namespace": "ADD"}),
        ({"name": "x"}, "there", {"metadata.namespace": "UPDATE"}),
        ({"name": UNKNOWN}, "here", {"metadata.name": "UPDATE"}),
    ],
)
def test_another_name_or_namespace_is_another_object(
    metadata: dict[str, Any], default: str, paths: dict[str, str]
) -> None:
    change = compare(
        "here/x", a("Thing", "x/v1"), a("Thing", "x/v1") | {"metadata": metadata}, default, set()
    )
    assert change.paths == paths
    assert change.replacing == ([] if metadata.get("namespace") == "here" else [*paths])
    assert change.delete_first == (not change.replacing), "the old one is not in the way"


def test_a_kind_without_namespaces_never_moves_between_them() -> None:
    assert compare("x", a("Namespace"), a("Namespace"), "anywhere", set()).paths == {}


def test_a_name_that_was_made_lets_the_new_object_come_first() -> None:
    old = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": MADE, "data": {"k": "1"}}
    change = changed(old, data={"k": "2"})
    assert change.replacing == ["data.k"]
    assert not change.delete_first
