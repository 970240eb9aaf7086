"""Pure parts of the kubernetes stand-in between inputs and objects."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.providers.kubernetes.objects import (
    annotation,
    checked,
    foreseen,
    guarded,
    imported,
    kind_of,
    manifest,
    outputs_of,
    projected,
    quantity,
    with_data,
)
from local.providers.protocol import UNKNOWN, sealed

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
AUTONAMED = {"pulumi.com/autonamed": "true"}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (CONFIG_MAP, ("v1", "ConfigMap")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:networking.k8s.io/v1:Ingress", ("networking.k8s.io/v1", "Ingress")),
        ("kubernetes:keda.sh/v1alpha1:ScaledObject", ("keda.sh/v1alpha1", "ScaledObject")),
    ],
)
def test_a_type_token_names_api_version_and_kind(token: str, expected: tuple[str, str]) -> None:
    assert kind_of(token) == expected


def test_a_missing_name_is_made_from_the_seed_and_marked() -> None:
    inputs, faults = checked(CONFIG_MAP, "settings", {}, {"data": {"a": "b"}}, b"seed")
    assert faults == []
    assert inputs == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "data": {"a": "b"},
        "metadata": {"name": "settings-0d72dd6e", "annotations": AUTONAMED},
    }
    again, _ = checked(CONFIG_MAP, "settings", {}, {}, b"seed")
    other, _ = checked(CONFIG_MAP, "settings", {}, {}, b"another seed")
    assert again["metadata"] == inputs["metadata"]
    assert other["metadata"] != inputs["metadata"], "a replacement gets a name of its own"


def test_a_made_name_is_kept_over_updates_and_a_given_one_is_not_inherited() -> None:
    made = {"metadata": {"name": "settings-12345678", "annotations": AUTONAMED}}
    kept, _ = checked(CONFIG_MAP, "settings", made, {"metadata": {"labels": {"a": "b"}}}, b"new seed")
    assert kept["metadata"] == made["metadata"] | {"labels": {"a": "b"}}
    given_before = {"metadata": {"name": "fixed"}}
    fresh, _ = checked(CONFIG_MAP, "settings", given_before, {}, b"seed")
    assert fresh["metadata"]["name"] == "settings-0d72dd6e"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"name": "given"}, {"name": "given"}),
        ({"name": UNKNOWN}, {"name": UNKNOWN}),
        (UNKNOWN, UNKNOWN),
        (
            {"generateName": "pre-"},
            {"generateName": "pre-", "name": "pre-0d72dd6e", "annotations": AUTONAMED},
        ),
    ],
)
def test_a_name_that_is_given_or_not_known_yet_is_left_alone(metadata: Any, expected: Any) -> None:
    inputs, _ = checked(CONFIG_MAP, "settings", {}, {"metadata": metadata}, b"seed")
    assert inputs["metadata"] == expected


@pytest.mark.parametrize(
    ("inputs", "fault"),
    [
        ({"apiVersion": "v2"}, "apiVersion is v2, but the resource's type says v1"),
        ({"kind": "Secret"}, "kind is Secret, but the resource's type says ConfigMap"),
        (
            {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "5m"}}},
            "annotation pulumi.com/timeoutSeconds: 5m is not a number of seconds",
        ),
        (
            {"metadata": {"annotations": {"pulumi.com/waitFor": "jsonpath=x"}}},
            "annotation pulumi.com/waitFor: the stand-in does not support it",
        ),
    ],
)
def test_inputs_that_contradict_themselves_are_named(inputs: dict[str, Any], fault: str) -> None:
    assert checked(CONFIG_MAP, "settings", {}, inputs, b"seed")[1] == [fault]


def test_what_is_sent_has_no_nulls_and_no_string_data() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": None, "labels": {"a": None, "b": "c"}},
        "data": {"old": "b2xk"},
        "stringData": {"new": "new"},
        "items": [{"a": None}],
    }
    assert manifest(secret, "made") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "made", "labels": {"b": "c"}},
        "data": {"old": "b2xk", "new": "bmV3"},
        "items": [{}],
    }


def test_what_a_secret_holds_is_sealed_and_nothing_else_is() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "YQ=="}, "type": "Opaque"}
    assert guarded(secret) == secret | {"data": sealed({"a": "YQ=="})}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}
    assert guarded(config_map) == config_map


def test_outputs_are_the_live_object_without_its_record_of_owners() -> None:
    live = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "managedFields": [{}]},
        "status": {"x": 1},
    }
    assert outputs_of(live) == live | {"metadata": {"name": "a"}}


def test_a_preview_keeps_old_outputs_so_that_dependents_stay_known() -> None:
    old = {"spec": {"clusterIP": "10.0.0.1", "ports": [1]}, "status": {"a": 1}}
    assert foreseen({"spec": {"ports": [2, 3]}}, old) == {
        "spec": {"clusterIP": "10.0.0.1", "ports": [2, 3]},
        "status": {"a": 1},
    }
    made = foreseen({"metadata": {"name": "a"}}, None)
    assert made["metadata"] == {
        "name": "a",
        "uid": UNKNOWN,
        "resourceVersion": UNKNOWN,
        "creationTimestamp": UNKNOWN,
    }
    assert made["status"] == UNKNOWN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1000m", Decimal(1)),
        ("1.5", Decimal("1.5")),
        (2, Decimal(2)),
        ("1Gi", Decimal(2**30)),
        ("1G", Decimal(10**9)),
        ("1e3", Decimal(1000)),
        ("100n", Decimal("1e-7")),
        ("5Ki", Decimal(5120)),
        ("", None),
        ("1 Gi", None),
        ("Gi", None),
        ("nginx:1", None),
    ],
)
def test_quantities_are_read_as_kubernetes_does(text: Any, value: Decimal | None) -> None:
    assert quantity(text) == value


def limits(**values: Any) -> dict[str, Any]:
    return {"spec": {"resources": {"limits": values}}}


@pytest.mark.parametrize(
    ("inputs", "live", "expected"),
    [
        (limits(cpu="1000m"), limits(cpu="1"), limits(cpu="1000m")),
        (limits(cpu="1000m"), limits(cpu="2"), limits(cpu="2")),
        ({"env": "1000m"}, {"env": "1"}, {"env": "1"}),
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {}, {}),
        ({"a": {"b": False, "c": []}}, {}, {"a": {"b": False, "c": []}}),
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, {"args": ["a", "c"]}),
        ({"args": ["a"]}, {"args": ["a", "b"]}, {"args": ["a", "b"]}),
        (
            {"c": [{"name": "x", "image": "1"}, {"name": "y"}]},
            {"c": [{"name": "sidecar"}, {"name": "y", "z": 1}, {"name": "x", "image": "2"}]},
            {"c": [{"name": "x", "image": "2"}, {"name": "y"}]},
        ),
        (
            {"ports": [{"port": 80}]},
            {"ports": [{"port": 81, "protocol": "TCP"}]},
            {"ports": [{"port": 81}]},
        ),
    ],
    ids=[
        "the same quantity in other words",
        "another quantity",
        "text that only looks like a quantity",
        "a field of someone else's",
        "a field that was removed",
        "empty fields, which the server drops",
        "a changed element",
        "an added element",
        "named things in another order, with a stranger",
        "things without names, by position",
    ],
)
def test_drift_is_seen_through_the_shape_of_the_inputs(
    inputs: dict[str, Any], live: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert projected(inputs, live) == expected


def test_a_secrets_string_data_is_compared_with_its_data() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "one", "b": "two"}}
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": base64.b64encode(b"changed").decode(), "z": "eg=="},
    }
    assert projected(secret, live)["stringData"] == {"a": "changed"}
    same = with_data(secret)
    assert projected(secret, same) == secret


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "1", "1000m", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "limits", "name"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["spec", "data", "kind"]), json_values))
def test_an_object_that_is_as_wanted_has_not_drifted(inputs: dict[str, Any]) -> None:
    assert projected(inputs, inputs | {"status": {"a": 1}}) == inputs


def test_an_imported_object_says_what_a_manifest_would() -> None:
    live = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b", "uid": "1", "resourceVersion": "2", "managedFields": []},
        "data": {"a": "b"},
        "status": {},
    }
    assert imported(live) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b"},
        "data": {"a": "b"},
    }


def test_annotations_that_are_absent_or_not_known_yet_are_empty() -> None:
    assert annotation({}, "skipAwait") == ""
    assert annotation({"metadata": UNKNOWN}, "skipAwait") == ""
    assert annotation({"metadata": {"annotations": UNKNOWN}}, "skipAwait") == ""
    assert annotation({"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}, "skipAwait") == "true"
