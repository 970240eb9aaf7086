"""The whole `local` stack under the real engine: what stays, what is repaired, how far a change goes.

Real: Pulumi's engine, the program, the API server and its controllers. Pods are kwok's; where the official
plugins cannot be had, the stand-ins answer.
"""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.kubectl import Kubectl
from tests.engine.checkout import Checkout, make_checkout
from tests.engine.settle import settle

NAMESPACE = "llmserve"
AUTONAMED = re.compile(r"(?<=gateway-environment)-[0-9a-f]{8}$")
KINDS = (
    "deployments.apps",
    "services",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "resourcequotas",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "horizontalpodautoscalers.autoscaling",
)


@pytest.fixture(scope="module")
def stack(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The `local` stack, up."""
    checkout = make_checkout(tmp_path_factory.mktemp("stack"), programs)
    try:
        checkout.run("up", "--fake-pods")
        yield checkout
    finally:
        checkout.run("down")


@pytest.fixture(scope="module")
def kubectl(stack: Checkout, programs: Path) -> Kubectl:
    return Kubectl(programs / "kubectl", stack.layout.state / "kubeconfig")


def ours(kubectl: Kubectl) -> dict[str, Any]:
    """What each object Pulumi made says, by kind and name (without the suffix of one Pulumi named)."""
    objects = [item for kind in KINDS for item in kubectl.list(kind, "-n", NAMESPACE)]
    return {
        f"{item['kind']}/{AUTONAMED.sub('', item['metadata']['name'])}": item.get("spec", item.get("data"))
        for item in objects
        if item["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "pulumi"
    }


def summary(said: str) -> str:
    """What pulumi says it did, as in `+ 1 created, 55 unchanged`."""
    lines = said[said.index("Resources:") :].splitlines()[1:]
    return ", ".join(line.strip() for line in lines[: lines.index("")])


def pulumi(stack: Checkout, *arguments: str) -> str:
    """Output of pulumi with the laptop's environment; the test fails with it if pulumi does."""
    config = stack.layout.generated_stack_file("local")
    return stack.plugged_engine().read(*arguments, "--stack", "local", "--config-file", str(config))


def test_a_second_up_changes_nothing_and_a_refresh_finds_no_difference(
    stack: Checkout, kubectl: Kubectl
) -> None:
    settle(kubectl)
    assert summary(pulumi(stack, "up", "--yes", "--skip-preview")) == "56 unchanged"
    pulumi(stack, "refresh", "--preview-only", "--expect-no-changes")


def test_every_object_deleted_by_hand_is_repaired_by_the_next_up(stack: Checkout, kubectl: Kubectl) -> None:
    before = ours(kubectl)
    assert {name.split("/")[0] for name in before} == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ResourceQuota",
        "Secret",
        "Service",
        "ServiceAccount",
    }, "one of every kind is put to the test"
    selector = "app.kubernetes.io/managed-by=pulumi"
    kubectl.run("delete", ",".join(KINDS), "-n", NAMESPACE, "-l", selector, "--wait=true")
    assert ours(kubectl) == {}

    pulumi(stack, "up", "--yes", "--skip-preview")

    assert ours(kubectl).keys() == before.keys()


def test_one_object_deleted_by_hand_is_all_that_is_made_again(stack: Checkout, kubectl: Kubectl) -> None:
    settle(kubectl)
    kubectl.run("delete", "poddisruptionbudget", "gateway", "-n", NAMESPACE)
    assert summary(pulumi(stack, "up", "--yes", "--skip-preview")) == "+ 1 created, 55 unchanged"


def test_a_namespace_deleted_by_hand_comes_back_with_everything_in_it(
    stack: Checkout, kubectl: Kubectl
) -> None:
    before = ours(kubectl).keys()
    kubectl.run("delete", "namespace", NAMESPACE, "--wait=true")

    pulumi(stack, "up", "--yes", "--skip-preview")

    assert ours(kubectl).keys() == before


def test_moving_traffic_replaces_the_gateways_config_and_rolls_it_and_touches_nothing_else(
    stack: Checkout, kubectl: Kubectl
) -> None:
    settle(kubectl)
    path = stack.layout.stack_file("local")
    committed = path.read_text()
    path.write_text(committed.replace("{qwen3-8b: 90, qwen3-8b-fp8: 10}", "{qwen3-8b: 10, qwen3-8b-fp8: 90}"))
    try:
        said = stack.run("up", "--fake-pods")
    finally:
        path.write_text(committed)

    assert summary(said) == "~ 1 updated, +-1 replaced, 2 changes. 54 unchanged"
    (config,) = [item for name, item in ours(kubectl).items() if name.startswith("ConfigMap/gateway-")]
    routes = yaml.safe_load(config["config.yaml"])["model_list"]
    weights = {
        r["model_info"]["id"]: r["litellm_params"]["weight"] for r in routes if r["model_name"] == "chat"
    }
    assert weights == {"chat-qwen3-8b": 10, "chat-qwen3-8b-fp8": 90}


def test_no_key_stands_in_clear_in_pulumis_state_or_in_the_cluster(stack: Checkout, kubectl: Kubectl) -> None:
    keys = {path.name: path.read_text().strip() for path in stack.layout.keys.iterdir()}
    assert keys.keys() == {"gateway_master_key", "openai_api_key", "redis_password", "search", "batch"}
    texts = [path.read_text() for path in stack.layout.backend.rglob("*.json")]
    assert any("chat-qwen3-8b" in text for text in texts), "the state is among what is searched"
    texts += [json.dumps(kubectl.list(kind, "-n", NAMESPACE)) for kind in KINDS if kind != "secrets"]
    assert not [name for name, key in keys.items() if any(key in text for text in texts)]


def test_more_gpus_than_there_are_is_told_with_the_schedulers_words(
    stack: Checkout, kubectl: Kubectl
) -> None:
    """The stack asks for all GPUs there are, else the planner would refuse it; one node takes no pods."""
    taken = {pod["spec"].get("nodeName") for pod in kubectl.list("pods", "-n", NAMESPACE)}
    nodes = [node["metadata"]["name"] for node in kubectl.list("nodes", "-l", "llmserve.dev/pool=l4")]
    free = next(name for name in nodes if name not in taken)
    kubectl.run("cordon", free)
    path = stack.layout.stack_file("local")
    committed = path.read_text()
    small = committed.replace("pool: l4, max_model_len: 8192}", "pool: l4, max_model_len: 8192, replicas: 4}")
    assert small != committed
    path.write_text(small)
    try:
        status, said = stack.until("Insufficient nvidia.com/gpu", lambda up: up.send_signal(signal.SIGINT))
    finally:
        path.write_text(committed)
        kubectl.run("uncordon", free)

    assert status == 130, "given up by hand: the Deployment's own deadline is that of a node joining"
    assert "0/9 nodes are available" in said
    stack.run("up", "--fake-pods")
