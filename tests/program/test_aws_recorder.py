"""The recorder refuses AWS inputs as the stand-in's preview does, without an engine."""

import pulumi
import pytest
from pulumi_aws import Provider, ec2, eks

from tests.program.aws_recorder import RefusedError
from tests.program.harness import Deployment, deploy


def run(effect: str = "NO_SCHEDULE", cidr: str = "10.0.0.0/16", *, preview: bool = False) -> Deployment:
    def program() -> None:
        opts = pulumi.ResourceOptions(provider=Provider("aws", region="us-west-2"))
        vpc = ec2.Vpc("net", cidr_block=cidr, opts=opts)
        subnet = ec2.Subnet(
            "net", vpc_id=vpc.id, cidr_block="10.0.0.0/24", availability_zone="us-west-2a", opts=opts
        )
        eks.NodeGroup(
            "l4",
            cluster_name="prod",
            node_role_arn="arn:aws:iam::123456789012:role/node",
            subnet_ids=[subnet.id],
            scaling_config={"min_size": 1, "desired_size": 1, "max_size": 2},
            taints=[{"key": "nvidia.com/gpu", "value": "true", "effect": effect}],
            opts=opts,
        )

    return deploy(program, {}, {}, preview=preview)


def test_right_inputs_are_recorded_with_ids_and_arns() -> None:
    deployment = run()
    group = deployment.one("aws:eks/nodeGroup:NodeGroup", "l4")
    assert group.inputs["subnetIds"][0].startswith("subnet-")


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (
            {"effect": "NoSchedule"},
            r"NodeGroup 'l4': taints\[0\].effect: is 'NoSchedule'; known: .*NO_SCHEDULE",
        ),
        ({"cidr": "10.0.0.0/8"}, r"Vpc 'net': cidrBlock: is 10.0.0.0/8; a network of /16 to /28"),
        (
            {"cidr": "net", "effect": "None"},
            r"Vpc 'net': cidrBlock: (.|\n)*NodeGroup 'l4': taints\[0\].effect",
        ),
    ],
)
def test_a_mistake_is_refused_with_the_resource_and_the_input(mistake: dict[str, str], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        run(**mistake)


def test_a_preview_checks_nothing_but_records_the_same() -> None:
    assert len(list(run(preview=True))) == len(list(run()))
