"""A small EKS with pods on every pool. order.json: tags, pools {name: {type, size, gpu...}}, cluster."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_aws import Provider, ec2, eks, iam, kms, s3

order = json.loads(Path("order.json").read_text(encoding="utf-8"))
provider = Provider("aws", region=order.get("region", "us-west-2"), default_tags={"tags": order["tags"]})
opts = pulumi.ResourceOptions(provider=provider)


def trust(service: str) -> str:
    principal = {"Service": service}
    statement = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


vpc = ec2.Vpc("net", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, opts=opts)
subnets = [
    ec2.Subnet(
        f"net-{z}", vpc_id=vpc.id, cidr_block=f"10.0.{i}.0/24", availability_zone=f"us-west-2{z}", opts=opts
    )
    for i, z in enumerate("ab")
]
key = kms.Key("key", description="Secrets of the cluster", enable_key_rotation=True, opts=opts)
bucket = s3.Bucket("weights", opts=opts)
role = iam.Role("cluster", assume_role_policy=trust("eks.amazonaws.com"), opts=opts)
attached = iam.RolePolicyAttachment(
    "cluster", role=role.name, policy_arn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", opts=opts
)
cluster = eks.Cluster(
    "eks",
    role_arn=role.arn,
    version="1.35",
    vpc_config={"subnet_ids": [subnet.id for subnet in subnets], "endpoint_private_access": True},
    access_config={"authentication_mode": "API"},
    encryption_config={"provider": {"key_arn": key.arn}, "resources": ["secrets"]},
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[attached]),
    **order.get("cluster", {}),
)
node_role = iam.Role("node", assume_role_policy=trust("ec2.amazonaws.com"), opts=opts)
groups = []
for name, pool in order["pools"].items():
    template = ec2.LaunchTemplate(
        name,
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": pool.get("hops", 1)},
        update_default_version=True,
        opts=opts,
    )
    taints = [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}] if pool.get("gpu") else []
    group = eks.NodeGroup(
        name,
        cluster_name=cluster.name,
        node_role_arn=node_role.arn,
        subnet_ids=[subnet.id for subnet in subnets],
        ami_type="AL2023_x86_64_NVIDIA" if pool.get("gpu") else "AL2023_x86_64_STANDARD",
        instance_types=[pool["type"]],
        scaling_config={"desired_size": pool["size"], "min_size": pool["size"], "max_size": pool["size"] + 1},
        labels={"llmserve.dev/pool": name},
        taints=taints,
        launch_template={"id": template.id, "version": template.latest_version.apply(str)},
        opts=opts,
    )
    groups.append(group)
kubeconfig = pulumi.Output.json_dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "eks",
        "contexts": [{"name": "eks", "context": {"cluster": "eks", "user": "eks"}}],
        "clusters": [
            {
                "name": "eks",
                "cluster": {
                    "server": cluster.endpoint,
                    "certificate-authority-data": cluster.certificate_authority.data,
                },
            }
        ],
        "users": [
            {
                "name": "eks",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": ["eks", "get-token", "--region", "us-west-2", "--cluster-name", cluster.name],
                    }
                },
            }
        ],
    }
)
kubernetes = k8s.Provider(
    "kubernetes", kubeconfig=pulumi.Output.secret(kubeconfig), opts=pulumi.ResourceOptions()
)


def pod(name: str, gpu: bool) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": "1"} if gpu else {"cpu": "1"}
    container = {"name": "main", "image": "example/image:1", "resources": {"limits": limits}}
    return {
        "containers": [container],
        "nodeSelector": {"llmserve.dev/pool": name},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    }


for name, pool in order["pools"].items():
    labels = {"of": "aws", "app": name}
    k8s.apps.v1.Deployment(
        name,
        metadata={"name": f"on-{name}", "namespace": "default"},
        spec={
            "replicas": pool.get("pods", pool["size"]),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod(name, pool.get("gpu", False))},
        },
        opts=pulumi.ResourceOptions(provider=kubernetes, depends_on=groups),
    )
pulumi.export("cluster", cluster.name)
pulumi.export("bucket", bucket.id)
