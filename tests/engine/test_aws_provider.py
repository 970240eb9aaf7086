"""A small EKS under the real engine and a real control plane: the stand-in plays AWS, kwok plays nodes.

Real: Pulumi's engine, the SDKs, the API server, its controllers and scheduler. Not real: anything of AWS.
"""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.kubectl import Kubectl
from local.providers.launchers import CLOUD_FOLDER
from tests.engine.engines import RunPulumi
from tests.engine.programs.stack import Stack

ORDER: dict[str, Any] = {
    "tags": {"project": "llmserve", "owner": "platform"},
    "pools": {
        "eks-l4": {"type": "g6.12xlarge", "size": 2, "gpu": True},
        "eks-system": {"type": "m7i.large", "size": 1},
    },
}
SIZE = 15
"""Resources of the program; with the stack itself and the two providers it is three more."""


class AwsStack(Stack):
    """The program of programs/aws with its order."""

    @staticmethod
    def write_order(folder: Path, **order: Any) -> None:
        """Write beside the program what it is to make."""
        (folder / "order.json").write_text(json.dumps(ORDER | order), encoding="utf-8")

    def say(self, **order: Any) -> None:
        """Say what the stack's program is to make."""
        self.write_order(self.folder, **order)

    @property
    def account(self) -> list[Path]:
        """The objects that the stand-in's AWS has."""
        return sorted(Path(self.environment[CLOUD_FOLDER]).rglob("*.json"))


def pools(**changes: dict[str, Any]) -> dict[str, Any]:
    """The pools, some of them changed."""
    return {name: pool | changes.get(name.removeprefix("eks-"), {}) for name, pool in ORDER["pools"].items()}


def steps(text: str) -> dict[str, list[str]]:
    """What a preview shows: operation → resources, from its lines such as ` ~  aws:ec2:Vpc net update`."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = re.match(r" [-+~]{1,2} +(\S+:\S+) (\S+) (create|update|replace|delete)\b(?! \w)", line)
        if match and not match[1].startswith("pulumi:"):
            resources = found.setdefault(match[3], [])
            name = f"{match[1]} {match[2]}"
            resources += [] if name in resources else [name]
    return found


@pytest.fixture(scope="module")
def stack(
    engine_environment: Callable[[Path], dict[str, str]],
    run_pulumi: RunPulumi,
    tmp_path_factory: pytest.TempPathFactory,
) -> AwsStack:
    folder = tmp_path_factory.mktemp("aws")
    made = AwsStack("aws", folder, engine_environment(folder), run_pulumi)
    made.say()
    return made


def nodes(kubectl: Kubectl, selector: str = "eks.amazonaws.com/nodegroup") -> list[dict[str, Any]]:
    """The nodes of node groups; the control plane has others too."""
    return kubectl.list("nodes", "-l", selector)


def pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    """The program's pods."""
    return kubectl.list("pods", "-n", "default", "-l", "of=aws")


@pytest.fixture(scope="module")
def up(stack: AwsStack) -> AwsStack:
    """The stack, applied once."""
    stack.say()
    stack.up()
    return stack


def test_a_first_preview_needs_no_cluster_and_makes_nothing(stack: AwsStack) -> None:
    said = stack.pulumi("preview")
    assert len(steps(said)["create"]) == SIZE
    assert "the llmserve stand-in answers in its place" in said
    assert stack.account == []


def test_a_mistake_fails_the_preview_with_the_resource_and_the_input(stack: AwsStack) -> None:
    stack.say(cluster={"enabled_cluster_log_types": ["audits"]})
    said = stack.refused("preview")
    assert "aws:eks/cluster:Cluster resource 'eks' has a problem: enabledClusterLogTypes: is 'audits'" in said
    assert "did you mean audit?" in said
    stack.say(region="")
    assert "region: is missing" in stack.refused("preview")
    stack.say()
    assert stack.account == []


def test_after_up_every_pod_is_on_the_nodes_of_its_pool(up: AwsStack, kubectl: Kubectl) -> None:
    by_name = {node["metadata"]["name"]: node for node in nodes(kubectl)}
    labels = [node["metadata"]["labels"]["llmserve.dev/pool"] for node in by_name.values()]
    assert sorted(labels) == ["eks-l4", "eks-l4", "eks-system"]
    assert len(pods(kubectl)) == 3
    for pod in pods(kubectl):
        node = by_name[pod["spec"]["nodeName"]]
        assert (
            node["metadata"]["labels"]["llmserve.dev/pool"]
            == pod["spec"]["nodeSelector"]["llmserve.dev/pool"]
        )
    gpus = [node["status"]["allocatable"].get("nvidia.com/gpu") for node in by_name.values()]
    assert sorted(gpus, key=str) == ["4", "4", None]
    assert up.account


def test_a_kubeconfig_with_aws_eks_get_token_reaches_the_cluster(up: AwsStack) -> None:
    entry = up.resources()["eks"]["outputs"]
    assert entry["endpoint"].startswith("https://127.0.0.1:")
    config = {"AWS_PAGER": "", **up.environment}
    name = entry["name"]
    launcher = up.folder / ".local" / "plugins" / "aws"
    command = [str(launcher), "eks", "get-token", "--cluster-name", name, "--region", "us-west-2"]
    token = json.loads(subprocess.run(command, env=config, capture_output=True, text=True, check=True).stdout)
    assert token["kind"] == "ExecCredential"
    wrong = subprocess.run([*command[:4], "other"], env=config, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "No cluster found for name: other" in wrong.stderr
    assert token["status"]["token"] not in up.state_text


def test_a_second_up_changes_nothing_and_a_refresh_finds_no_difference(up: AwsStack) -> None:
    said = up.up()
    assert f"{SIZE + 3} unchanged" in said
    assert not steps(said)
    up.pulumi("refresh", "--preview-only", "--expect-no-changes")


def test_a_change_by_somebody_else_is_seen_and_set_right(up: AwsStack) -> None:
    (path,) = [path for path in up.account if path.parent.name == "ec2.Vpc"]
    record = json.loads(path.read_text(encoding="utf-8"))
    for part in ("inputs", "outputs"):
        record[part]["enableDnsHostnames"] = False
    path.write_text(json.dumps(record), encoding="utf-8")
    assert "aws:ec2:Vpc net" in up.pulumi("refresh", "--yes")
    assert steps(up.pulumi("preview")) == {"update": ["aws:ec2:Vpc net"]}
    up.up()
    assert json.loads(path.read_text(encoding="utf-8"))["inputs"]["enableDnsHostnames"] is True


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"pools": pools(system={"size": 2, "pods": 1})}, {"update": ["aws:eks:NodeGroup eks-system"]}),
        (
            {"pools": pools(l4={"hops": 2})},
            {"update": ["aws:ec2:LaunchTemplate eks-l4", "aws:eks:NodeGroup eks-l4"]},
        ),
        ({"pools": pools(system={"type": "m7i.xlarge"})}, {"replace": ["aws:eks:NodeGroup eks-system"]}),
        (
            {"cluster": {"enabled_cluster_log_types": ["audit"]}},
            {"update": ["aws:eks:Cluster eks"]},
        ),
    ],
    ids=["a pool's size", "a launch template", "a pool's type", "the cluster's logs"],
)
def test_a_change_stays_where_it_was_made(
    up: AwsStack, order: dict[str, Any], expected: dict[str, Any]
) -> None:
    up.say(**order)
    assert steps(up.pulumi("preview")) == expected
    up.say()


def test_a_default_tag_replaces_nothing(up: AwsStack) -> None:
    up.say(tags=ORDER["tags"] | {"team": "ml"})
    found = steps(up.pulumi("preview"))
    assert set(found) == {"update"}
    assert all(name.startswith("aws:") for name in found["update"])
    up.say()


def test_a_pool_that_grows_gets_a_node_and_one_that_shrinks_drains_it(up: AwsStack, kubectl: Kubectl) -> None:
    for size in (2, 1):
        up.say(pools=pools(system={"size": size}))
        up.up()
        assert len(nodes(kubectl, "llmserve.dev/pool=eks-system")) == size
    assert len(pods(kubectl)) == 3
    assert all(pod["spec"]["nodeName"] for pod in pods(kubectl))
    up.say()


def test_destroy_goes_in_order_stops_at_what_is_in_use_and_leaves_nothing(
    up: AwsStack, kubectl: Kubectl
) -> None:
    (vpc,) = [resource for resource in up.resources().values() if resource["type"] == "aws:ec2/vpc:Vpc"]
    record = {"id": "subnet-theirs", "inputs": {"vpcId": vpc["id"], "cidrBlock": "10.0.9.0/24"}}
    theirs = Path(up.environment[CLOUD_FOLDER]) / "ec2.Subnet" / "subnet-theirs.json"
    theirs.write_text(json.dumps(record), encoding="utf-8")
    said = up.refused("destroy", "--yes")
    assert f"DependencyViolation: {vpc['id']} is in use by Subnet subnet-theirs" in said
    kinds = re.findall(r" -  (\S+) \S+ deleted", said)
    assert kinds.index("aws:eks:NodeGroup") < kinds.index("aws:eks:Cluster") < kinds.index("aws:ec2:Subnet")
    theirs.unlink()
    up.pulumi("destroy", "--yes")
    assert up.account == []
    assert nodes(kubectl) == []
    assert not up.resources()
