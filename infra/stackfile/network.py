"""The network of an EKS cluster: a VPC of its own, or one that is there."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from infra.stackfile.base import PositiveInt, Settings

EndpointService = Literal[
    "ecr.api",
    "ecr.dkr",
    "sts",
    "logs",
    "ec2",
    "eks",
    "eks-auth",
    "elasticloadbalancing",
    "autoscaling",
    "sqs",
]


class NewNetworkSettings(Settings):
    """A VPC made for the cluster, with public, private and intra subnets in every zone."""

    cidr: str = "10.0.0.0/16"
    """Addresses of the VPC; each pod takes one. A /16 gives 8,187 to nodes and pods of each zone."""
    connected_cidrs: tuple[str, ...] = ()
    """Networks that are or will be connected to it (peering, VPN); none may overlap."""
    nat: Literal["none", "one", "per_zone"] = "one"
    """Way out for private subnets. one: cheap, lost with its zone. per_zone: survives that. none: none."""
    interface_endpoints: tuple[EndpointService, ...] = ()
    """AWS services reached without NAT, paid per zone; S3 always is, free of charge."""
    flow_log_days: PositiveInt | None = None
    """How long records of connections are kept, days; None = none are made."""


class ExistingNetworkSettings(Settings):
    """A VPC that is there; its subnets must carry the load balancer controller's role tags."""

    vpc_id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    """The VPC."""
    private_subnets: dict[str, Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]]
    """Subnet of nodes and pods by availability zone; needs a way out and the S3 gateway endpoint."""
    intra_subnets: dict[str, Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]] = Field(
        default_factory=dict
    )
    """Subnet of the control plane's interfaces by availability zone; empty = the private ones."""


def _kind(value: Any) -> str:
    """Only an existing network has an id."""
    if isinstance(value, ExistingNetworkSettings):
        return "existing"
    return "existing" if isinstance(value, dict) and "vpc_id" in value else "new"


NetworkSettings = Annotated[
    Annotated[NewNetworkSettings, Tag("new")] | Annotated[ExistingNetworkSettings, Tag("existing")],
    Discriminator(_kind),
]
