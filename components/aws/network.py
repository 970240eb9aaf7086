"""The component of the network, and the ids of one that is there."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, ec2, iam

from components.aws import iam_documents
from components.aws.naming import role_name
from components.aws.spec import NetworkSpec, ZoneSubnets

_LOAD_BALANCER_ROLES = {"public": "kubernetes.io/role/elb", "private": "kubernetes.io/role/internal-elb"}
"""Tags by which the AWS Load Balancer Controller finds subnets (its documentation, subnet discovery)."""


@dataclass(frozen=True, kw_only=True)
class NetworkIds:
    """A network as the cluster and its pools need it, made here or not."""

    vpc_id: pulumi.Input[str]
    private_subnets: Mapping[str, pulumi.Input[str]]
    """By availability zone."""
    intra_subnets: Mapping[str, pulumi.Input[str]]
    """By availability zone."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made of."""

    spec: NetworkSpec
    cluster: str
    """Name of the cluster it is for: part of names and of the flow logs' role."""


class Network(pulumi.ComponentResource):
    """A VPC with public, private and intra subnets in every zone.

    Type token: llmserve:aws:Network. Creates the VPC with its default security group emptied, subnets, an
    internet gateway, NAT gateways, route tables, the S3 gateway endpoint, interface endpoints and flow logs.
    Protects the flow logs' log group, if asked.
    """

    ids: NetworkIds

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Network", name, None, opts)
        self._name, self._spec, self._cluster = name, args.spec, args.cluster
        self._child = pulumi.ResourceOptions(parent=self)
        self._vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.spec.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": args.cluster},
            opts=self._child,
        )
        ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=self._vpc.id, opts=self._child)  # open to nobody
        subnets = {kind: self._subnets(kind) for kind in ("public", "private", "intra")}
        private_tables = self._routes(subnets)
        self._endpoints(subnets["private"], private_tables)
        if args.spec.flow_log_days is not None:
            self._flow_log(args.spec.flow_log_days)
        self.ids = NetworkIds(
            vpc_id=self._vpc.id,
            private_subnets={zone: subnet.id for zone, subnet in subnets["private"].items()},
            intra_subnets={zone: subnet.id for zone, subnet in subnets["intra"].items()},
        )
        self.register_outputs({"vpc_id": self._vpc.id})

    def _subnets(self, kind: str) -> dict[str, ec2.Subnet]:
        role = _LOAD_BALANCER_ROLES.get(kind)
        return {
            zone.zone: ec2.Subnet(
                f"{self._name}-{kind}-{_letter(zone.zone)}",
                vpc_id=self._vpc.id,
                cidr_block=_cidr(zone, kind),
                availability_zone=zone.zone,
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._cluster}-{kind}-{zone.zone}", **({role: "1"} if role else {})},
                opts=self._child,
            )
            for zone in self._spec.subnets
        }

    def _routes(self, subnets: Mapping[str, Mapping[str, ec2.Subnet]]) -> list[ec2.RouteTable]:
        """Route tables: one for all public, one for all intra, one per zone for private subnets."""
        gateway = ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self._vpc.id, tags={"Name": self._cluster}, opts=self._child
        )
        public = self._table("public", list(subnets["public"].values()))
        self._way_out("public", public, gateway_id=gateway.id)
        self._table("intra", list(subnets["intra"].values()))
        nats = {zone: self._nat(zone, subnets["public"][zone], gateway) for zone in self._spec.nat_zones}
        tables = []
        for zone, subnet in subnets["private"].items():
            table = self._table(f"private-{_letter(zone)}", [subnet])
            tables.append(table)
            if nats:
                nat = nats.get(zone) or next(iter(nats.values()))
                self._way_out(f"private-{_letter(zone)}", table, nat_gateway_id=nat.id)
        return tables

    def _table(self, key: str, subnets: list[ec2.Subnet]) -> ec2.RouteTable:
        table = ec2.RouteTable(
            f"{self._name}-{key}",
            vpc_id=self._vpc.id,
            tags={"Name": f"{self._cluster}-{key}"},
            opts=self._child,
        )
        for number, subnet in enumerate(subnets):
            ec2.RouteTableAssociation(
                f"{self._name}-{key}-{number}",
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._child,
            )
        return table

    def _way_out(
        self,
        key: str,
        table: ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        ec2.Route(
            f"{self._name}-{key}-out",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )

    def _nat(self, zone: str, subnet: ec2.Subnet, gateway: ec2.InternetGateway) -> ec2.NatGateway:
        tags = {"Name": f"{self._cluster}-{zone}"}
        address = ec2.Eip(f"{self._name}-nat-{_letter(zone)}", domain="vpc", tags=tags, opts=self._child)
        return ec2.NatGateway(
            f"{self._name}-nat-{_letter(zone)}",
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=tags,
            # no value leads from the internet gateway here, and without it the NAT gateway fails
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )

    def _endpoints(self, private: Mapping[str, ec2.Subnet], tables: list[ec2.RouteTable]) -> None:
        region = self._spec.region
        ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags={"Name": f"{self._cluster}-s3"},
            opts=self._child,
        )
        if not self._spec.interface_endpoints:
            return
        group = ec2.SecurityGroup(
            f"{self._name}-endpoints",
            description="HTTPS from within the VPC to AWS services",
            vpc_id=self._vpc.id,
            ingress=[
                {
                    "protocol": "tcp",
                    "from_port": 443,
                    "to_port": 443,
                    "cidr_blocks": [self._spec.cidr],
                    "description": "HTTPS",
                }
            ],
            tags={"Name": f"{self._cluster}-endpoints"},
            opts=self._child,
        )
        for service in self._spec.interface_endpoints:
            ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self._vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=[subnet.id for subnet in private.values()],
                security_group_ids=[group.id],
                private_dns_enabled=True,
                tags={"Name": f"{self._cluster}-{service}"},
                opts=self._child,
            )

    def _flow_log(self, days: int) -> None:
        group = cloudwatch.LogGroup(
            f"{self._name}-flow-logs",
            name=f"/aws/vpc/{self._cluster}/flow-logs",
            retention_in_days=days,
            opts=pulumi.ResourceOptions(parent=self, protect=self._spec.protect),
        )
        role = iam.Role(
            f"{self._name}-flow-logs",
            name=role_name(self._cluster, "flow-logs"),
            assume_role_policy=pulumi.Output.json_dumps(
                iam_documents.service_trust("vpc-flow-logs.amazonaws.com")
            ),
            opts=self._child,
        )
        policy = iam.RolePolicy(
            f"{self._name}-flow-logs",
            role=role.name,
            policy=pulumi.Output.json_dumps(
                group.arn.apply(lambda arn: iam_documents.policy("flow-logs", log_group=arn))
            ),
            opts=self._child,
        )
        ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": self._cluster},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


def _letter(zone: str) -> str:
    """What tells a zone from the others of its region: logical names do not carry the region."""
    return zone[-1]


def _cidr(zone: ZoneSubnets, kind: str) -> str:
    return {"public": zone.public, "private": zone.private, "intra": zone.intra}[kind]
