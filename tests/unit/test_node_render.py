"""Environment and command as Kubernetes defines them."""

from typing import Any

import pytest

from local.node.addresses import Rewriter
from local.node.render import ConfigError, command, environment, expand, field, quantity, references, resource

REWRITER = Rewriter("s", "n", "127.18.0.1", frozenset(), {}, (("/cache", "/real/cache"),))
POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "labels": {"b": "2", "a": "1"},
        "annotations": {"llmserve.dev/sim-LOAD_SECONDS": "2"},
    },
    "spec": {"nodeName": "node", "containers": []},
    "status": {"podIP": "198.18.0.1"},
}
SIMULATED = {"SIM_LOAD_SECONDS": "2"}
SOURCES = {
    ("configmaps", "cm"): {"data": {"A": "/cache/a", "B": "b"}},
    ("secrets", "s"): {"data": {"A": "/cache/secret"}},
    ("secrets", "gone"): None,
}


@pytest.mark.parametrize(
    ("container", "values"),
    [
        ({"env": [{"name": "X", "value": "/cache"}]}, {"X": "/real/cache"}),
        ({"env": [{"name": "X"}]}, {"X": ""}),
        (
            {"env": [{"name": "X", "value": "/cache"}, {"name": "Y", "value": "$(X)/y /cache"}]},
            {"X": "/real/cache", "Y": "/real/cache/y /real/cache"},
        ),
        (
            {"envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"}]},
            {"P_A": "/real/cache/a", "P_B": "b"},
        ),
        (
            {"envFrom": [{"configMapRef": {"name": "cm"}}], "env": [{"name": "A", "value": "mine"}]},
            {"A": "mine", "B": "b"},
        ),
        (
            {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "A"}}}]},
            {"X": "/cache/secret"},
        ),
        (
            {"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
            {"X": "127.18.0.1"},
        ),
        (
            {
                "env": [
                    {
                        "name": "X",
                        "valueFrom": {"secretKeyRef": {"name": "gone", "key": "A", "optional": True}},
                    }
                ]
            },
            {},
        ),
    ],
    ids=["value", "empty", "reference", "prefix", "env wins", "secrets stay", "own address", "optional"],
)
def test_variables(container: dict[str, Any], values: dict[str, str]) -> None:
    assert environment(POD, container, SOURCES, REWRITER) == values | SIMULATED


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"secretKeyRef": {"name": "gone", "key": "A"}}, 'secret "gone" not found'),
        ({"configMapKeyRef": {"name": "nope", "key": "A"}}, 'configmap "nope" not found'),
        ({"secretKeyRef": {"name": "s", "key": "C"}}, "couldn't find key C in Secret n/s"),
    ],
)
def test_what_is_missing_is_named_as_the_kubelet_does(reference: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        environment(POD, {"env": [{"name": "X", "valueFrom": reference}]}, SOURCES, REWRITER)


def test_all_objects_the_environment_needs_are_found() -> None:
    container = {
        "envFrom": [{"secretRef": {"name": "s1"}}, {"configMapRef": {"name": "c1"}}],
        "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}}],
    }
    assert set(references(container)) == {("secrets", "s1"), ("configmaps", "c1"), ("secrets", "s2")}


@pytest.mark.parametrize(
    ("container", "argv"),
    [
        ({"args": ["--a", "$(X)"]}, ["entry", "--a", "x"]),
        ({"command": ["run"], "args": ["/cache"]}, ["run", "/real/cache"]),
        ({"command": ["run"]}, ["run"]),
        ({}, ["entry"]),
        ({"args": ["$$(X)", "$(UNKNOWN)"]}, ["entry", "$(X)", "$(UNKNOWN)"]),
    ],
)
def test_argv(container: dict[str, Any], argv: list[str]) -> None:
    assert command(container, ["entry"], {"X": "x"}, REWRITER) == argv


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.labels", 'a="1"\nb="2"'),
        ("metadata.labels['a']", "1"),
        ("spec.nodeName", "node"),
        ("status.podIP", "127.18.0.1"),
        ("spec.serviceAccountName", ""),
    ],
)
def test_fields_of_the_downward_api(path: str, value: str) -> None:
    assert field(POD, path) == value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.memory", "divisor": "1Mi"}, "2048"),
        ({"resource": "requests.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "500"),
        ({"resource": "limits.cpu"}, "0"),
    ],
)
def test_resources_of_the_downward_api(reference: dict[str, Any], value: str) -> None:
    container = {"resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "500m"}}}
    assert resource(POD, container, reference) == value


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("250m", 0.25), ("1.5Gi", 1.5 * 2**30), ("2k", 2000)])
def test_quantities(text: str, number: float) -> None:
    assert quantity(text) == number


def test_a_quantity_nobody_understands_is_named() -> None:
    with pytest.raises(ConfigError, match="'lots' is not understood"):
        quantity("lots")


def test_a_value_that_refers_to_itself_is_not_expanded_twice() -> None:
    assert expand("$(A)", {"A": "$(B)", "B": "b"}) == "$(B)"
