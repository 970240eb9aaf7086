"""What the kubernetes stand-in says before anything is made: the server's checks, settings that are wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.cluster import ControlPlane
from tests.engine.programs.stack import Stack, config_map, deployment, namespace


@pytest.fixture
def stack(
    tmp_path: Path, engine_environment: Callable[[Path], dict[str, str]], run_pulumi: Callable[..., object]
) -> Stack:
    return Stack("manifests", tmp_path, engine_environment(tmp_path), run_pulumi)


def definition(group: str) -> dict[str, object]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


def test_a_preview_shows_what_the_server_would_refuse(stack: Stack) -> None:
    strict = namespace("preview")
    strict["metadata"]["labels"] = {"pod-security.kubernetes.io/warn": "restricted"}
    stack.write({"things": definition("preview.example"), "space": strict})
    stack.up()
    wrong_policy = deployment("policy", "preview")
    wrong_policy["spec"]["template"]["spec"]["restartPolicy"] = "Sometimes"
    wrong_field = deployment("field", "preview")
    wrong_field["spec"]["template"]["spec"]["containerz"] = []
    thing = {"apiVersion": "preview.example/v1", "kind": "Thing", "metadata": {"namespace": "preview"}}
    wrongs = {
        "warned": (deployment("warned", "preview"), "would violate PodSecurity"),
        "policy": (wrong_policy, 'restartPolicy: Unsupported value: "Sometimes"'),
        "field": (wrong_field, 'unknown field "spec.template.spec.containerz"'),
        "thing": (thing | {"spec": {"size": "big"}}, 'spec.size in body must be of type integer: "string"'),
        "version": (
            config_map({}) | {"apiVersion": "apps/v2", "kind": "Thing"},
            "the cluster serves no Thing in apps/v2",
        ),
    }
    stack.write({name: wrong for name, (wrong, _) in wrongs.items()})
    said = stack.refused("preview")
    for name, (_, words) in wrongs.items():
        assert words in said, f"{name}: {said}"


def test_what_is_made_in_the_same_run_is_not_checked_before_it_exists(stack: Stack) -> None:
    later = {
        "apiVersion": "later.example/v1",
        "kind": "Thing",
        "metadata": {"name": "one", "namespace": "later"},
    }
    resources = {
        "space": namespace("later"),
        "things": definition("later.example"),
        "map": config_map({"a": "b"}, name="map", namespace="later"),
        "thing": later | {"spec": {"size": 3}},
    }
    stack.write(resources, after={"map": ["space"], "thing": ["things", "space"]})
    assert "6 to create" in stack.pulumi("preview")
    assert "6 created" in stack.up(), "the definition is awaited, and the new kind found"


def test_with_an_unknown_kubeconfig_nothing_is_checked_and_all_is_unknown(
    stack: Stack, control_plane: ControlPlane
) -> None:
    wrong = deployment("wrong", "nowhere")
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Sometimes"
    stack.write(
        {"wrong": wrong}, provider={"kubeconfig": str(control_plane.kubeconfig)}, unknown_kubeconfig=True
    )
    said = stack.pulumi("preview")
    assert "wrong: [unknown]" in said, "the server was not asked"


def test_a_setting_that_cannot_work_is_named_and_not_shown(stack: Stack, control_plane: ControlPlane) -> None:
    text = control_plane.kubeconfig.read_text(encoding="utf-8")
    stack.write({"map": config_map({})}, provider={"kubeconfig": text, "context": "ghost"})
    said = stack.refused("preview")
    assert "Expected object with name ghost in kube-config/contexts list" in said
    assert "client-key" not in said, "a kubeconfig holds keys"


def test_a_server_that_does_not_answer_is_named(stack: Stack, control_plane: ControlPlane) -> None:
    text = control_plane.kubeconfig.read_text(encoding="utf-8").replace(
        control_plane.server, "https://127.0.0.1:9"
    )
    stack.write({"map": config_map({})}, provider={"kubeconfig": text})
    said = stack.refused("preview")
    assert (
        f'cannot reach the Kubernetes API server https://127.0.0.1:9 (context "{control_plane.context}")'
        in said
    )
    assert "Connection refused" in said
