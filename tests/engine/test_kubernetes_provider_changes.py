"""How the kubernetes stand-in changes what exists: replacement and its order, other owners, adoption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.kubectl import Kubectl
from tests.engine.programs.stack import NO_NODE_HAS, Stack, config_map, deployment, namespace

UNWATCHED = {"pulumi.com/skipAwait": "true"}


@pytest.fixture
def stack(
    tmp_path: Path, engine_environment: Callable[[Path], dict[str, str]], run_pulumi: Callable[..., object]
) -> Stack:
    return Stack("manifests", tmp_path, engine_environment(tmp_path), run_pulumi)


def is_made_first(said: str, name: str) -> bool:
    """Whether a replacement was made before what it replaces was deleted."""
    return said.index(f" {name} creating replacement") < said.index(f" {name} deleting original")


def test_what_cannot_change_in_place_is_replaced_in_the_right_order(stack: Stack, kubectl: Kubectl) -> None:
    web = deployment("web", "replace", NO_NODE_HAS, **UNWATCHED)
    resources = {
        "space": namespace("replace"),
        "auto": config_map({"level": "info"}, namespace="replace"),
        "fixed": config_map({"level": "info"}, name="fixed", namespace="replace"),
        "web": web,
    }
    after = {name: ["space"] for name in ("auto", "fixed", "web")}
    stack.write(resources, after=after)
    stack.up()
    old_name = stack.resources()["auto"]["id"]
    resources["auto"]["data"] = resources["fixed"]["data"] = {"level": "debug"}
    web["spec"]["selector"]["matchLabels"]["tier"] = web["spec"]["template"]["metadata"]["labels"]["tier"] = (
        "new"
    )
    stack.write(resources, after=after)
    said = stack.up()
    assert "+-3 replaced" in said, said
    assert {name for name in ("auto", "fixed", "web") if is_made_first(said, name)} == {"auto"}, (
        "what has a name of its own must go before its successor comes"
    )
    assert stack.resources()["auto"]["id"] != old_name
    assert {"auto", "fixed"} & {
        entry["metadata"]["name"] for entry in kubectl.list("configmap", "-n", "replace")
    } == {"fixed"}

    resources["fixed"]["data"] = {"level": "warning"}
    stack.write(resources, after=after, provider={"enable_config_map_mutable": True})
    said = stack.pulumi("preview")
    assert "ConfigMap fixed update" in said
    assert "replace" not in said


def test_what_others_own_is_left_to_them_unless_taken_over(stack: Stack, kubectl: Kubectl) -> None:
    web = deployment("web", "owners", NO_NODE_HAS, **UNWATCHED)
    before = {"space": namespace("owners"), "web": web}
    stack.write(before, after={"web": ["space"]})
    stack.up()
    kubectl.run("scale", "deployment", "web", "-n", "owners", "--replicas=3")
    kubectl.apply(config_map({"who": "kubectl"}, name="theirs", namespace="owners"))

    web["spec"]["replicas"] = 2
    theirs = before | {"theirs": config_map({"who": "pulumi"}, name="theirs", namespace="owners")}
    stack.write(theirs, after={"web": ["space"]})
    refused = stack.refused("up", "--yes", "--skip-preview", "--continue-on-error")
    assert 'conflict with "kubectl"' in refused
    assert ".spec.replicas; leave it to its owner (ignore_changes)" in refused
    assert "ConfigMap owners/theirs exists, but not in this stack: import it, delete it, or set" in refused
    assert "theirs" not in stack.resources()

    web["metadata"]["annotations"]["pulumi.com/patchForce"] = "true"
    theirs["theirs"]["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    stack.write(theirs, after={"web": ["space"]}, provider={"upsert_existing_objects": True})
    stack.up()
    (live,) = kubectl.list("deployment", "-n", "owners")
    assert live["spec"]["replicas"] == 2
    (adopted,) = kubectl.list("configmap", "-n", "owners", "--field-selector=metadata.name=theirs")
    assert adopted["data"] == {"who": "pulumi"}


def test_objects_can_be_imported_and_charts_are_only_recorded(stack: Stack, kubectl: Kubectl) -> None:
    existing = config_map({"a": "1"}, name="imported", namespace="default")
    kubectl.apply(existing)
    release: dict[str, Any] = {
        "type": "kubernetes:helm.sh/v3:Release",
        "apiVersion": "",
        "kind": "",
        "chart": "keda",
    }
    stack.write(
        {"taken": existing, "keda": release | {"values": {"replicas": 1}}},
        options={"taken": {"import_": "default/imported"}},
    )
    said = stack.up()
    assert "1 imported" in said
    assert "recorded only: the stand-in did NOT install this Helm release" in said
    stack.write({"taken": existing, "keda": release | {"values": {"replicas": 2}}})
    assert "1 updated" in stack.up()
    assert stack.resources()["keda"]["outputs"]["values"] == {"replicas": 2}
    assert "no changes" not in stack.pulumi("destroy", "--yes", "--skip-preview")
    stack.write({}, chart="keda")
    assert "Chart resource 'chart' has a problem: plugins that can construct" in stack.refused("preview")
