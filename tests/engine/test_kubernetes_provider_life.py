"""The kubernetes stand-in through the life of a stack: made, unchanged, drifted, repaired, gone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.kubectl import Kubectl
from tests.engine.programs.stack import WORD, Stack, config_map, deployment, namespace


@pytest.fixture
def stack(
    tmp_path: Path, engine_environment: Callable[[Path], dict[str, str]], run_pulumi: Callable[..., object]
) -> Stack:
    return Stack("manifests", tmp_path, engine_environment(tmp_path), run_pulumi)


def test_a_stack_lives_from_preview_to_destroy(stack: Stack, kubectl: Kubectl) -> None:
    stack.set_word()
    web = deployment("web", "life", {"cpu": "1000m", "memory": "128Mi"})
    resources = {
        "space": namespace("life"),
        "settings": config_map({"level": "info", "key": "<secret>"}, namespace="life"),
        "secret": {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "secret", "namespace": "life"},
            "stringData": {"token": "<secret>", "unmarked": "plain-but-guarded"},
        },
        "web": web,
        "front": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "front", "namespace": "life"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        },
    }
    after = {name: ["space"] for name in ("settings", "secret", "web", "front")}
    stack.write(resources, after=after)

    previewed = stack.pulumi("preview")
    assert "7 to create" in previewed, "nothing of it exists, the namespace neither"
    assert "stand-in answers in its place; see docs/stand-ins.md" in previewed

    made = stack.up()
    assert "7 created" in made
    name = kubectl.list(
        "configmap", "-n", "life", "-l", "!x", "--field-selector=metadata.name!=kube-root-ca.crt"
    )
    (autonamed,) = [entry["metadata"]["name"] for entry in name]
    assert autonamed.startswith("settings-")
    assert len(autonamed) == len("settings-") + 8
    assert not stack.holds(WORD)
    assert not stack.holds("plain-but-guarded"), "a Secret's content is secret, marked or not"
    assert "managedFields" not in stack.state_text

    again = stack.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")
    assert "7 unchanged" in again, "the autoname is kept, 1000m is 1 cpu, and nothing else differs"

    kubectl.run("label", "configmap", autonamed, "-n", "life", "someone-elses=label")
    kubectl.run("patch", "secret", "secret", "-n", "life", "-p", '{"stringData": {"unmarked": "changed"}}')
    kubectl.run("delete", "deployment", "web", "-n", "life", "--wait")
    drift = stack.pulumi("refresh", "--preview-only", "--diff")
    assert "Secret: (update)" in drift
    assert "Deployment: (delete)" in drift
    assert "ConfigMap: (update)" not in drift, "what the program says nothing about is not drift"
    assert '"changed"' not in drift, "a secret stays hidden when it drifts"

    web["spec"]["template"]["spec"]["containers"][0]["image"] = "example/image:2"
    stack.write(resources, after=after, options={"secret": {"ignore_changes": ["stringData"]}})
    repaired = stack.pulumi("up", "--yes", "--refresh", "--skip-preview")
    assert "1 created" in repaired, repaired
    (live,) = kubectl.list("deployment", "-n", "life")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "example/image:2"

    gone = stack.pulumi("destroy", "--yes", "--skip-preview")
    assert "7 deleted" in gone
    assert not [entry for entry in kubectl.list("namespace") if entry["metadata"]["name"] == "life"]
