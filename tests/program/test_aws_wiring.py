"""How the parts of the AWS half hang together: order, pools, networks, secrets, what a change touches."""

import json
from typing import Any

from components.external_secrets import API
from tests.program.aws_cases import everything, of_aws, recorded
from tests.program.harness import deploy
from tests.program.test_program import deployed, run, without_secrets
from tests.stack_files import eks_valid, with_value


def test_nodes_come_after_the_add_ons_they_need_and_before_those_that_need_them() -> None:
    deployment = recorded("prod")
    groups = deployment.of("aws:eks/nodeGroup:NodeGroup")
    for group in groups:
        assert {f"addons-first-{n}" for n in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")} <= {
            *group.dependencies
        }
    for addon in ("coredns", "aws-ebs-csi-driver", "metrics-server", "eks-node-monitoring-agent"):
        needs = deployment.one("aws:eks/addon:Addon", f"addons-{addon}").dependencies
        assert {group.name for group in groups} <= {*needs}
    (provider,) = deployment.of("pulumi:providers:kubernetes")
    assert {group.name for group in groups} <= {*provider.dependencies}


def test_every_role_has_its_permissions_before_anything_uses_it() -> None:
    deployment = recorded("dev")
    cluster = deployment.one("aws:eks/cluster:Cluster", "cluster")
    assert {"cluster-role", "cluster-role-AmazonEKSClusterPolicy", "cluster-logs"} <= {*cluster.dependencies}
    group = deployment.one("aws:eks/nodeGroup:NodeGroup", "pool-l4")
    assert {"nodes", "nodes-AmazonEKSWorkerNodePolicy"} <= {*group.dependencies}


def test_karpenter_makes_gpu_pools_and_eks_makes_the_others() -> None:
    deployment = recorded("everything")
    assert {r.name for r in deployment.of("aws:eks/nodeGroup:NodeGroup")} == {"pool-system", "pool-fast"}
    (node_class,) = deployment.of("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass")
    (group,) = node_class.inputs["spec"]["securityGroupSelectorTerms"]
    assert group["id"].startswith("sg-")  # the cluster's: only EKS knows its id
    assert len(node_class.inputs["spec"]["subnetSelectorTerms"]) == 2
    assert deployment.one("kubernetes:karpenter.sh/v1:NodePool", "pool-l4-nodes")
    assert not deployment.of("kubernetes:karpenter.sh/v1:NodePool")[0].inputs["metadata"].get("namespace")


def test_an_existing_network_is_used_and_not_touched() -> None:
    subnets = {"us-west-2a": "subnet-0123456789abcdef0", "us-west-2b": "subnet-0123456789abcdef1"}
    network = {"vpc_id": "vpc-0123456789abcdef0", "private_subnets": subnets}
    deployment = deployed(with_value("cluster.network", network, eks_valid()))
    kinds = {r.type for r in of_aws(deployment) if r.type.startswith("aws:ec2/")}
    assert kinds == {"aws:ec2/launchTemplate:LaunchTemplate"}
    cluster = deployment.one("aws:eks/cluster:Cluster", "cluster").inputs
    assert cluster["vpcConfig"]["subnetIds"] == list(subnets.values())


def test_a_pools_size_changes_one_resource_and_a_tag_no_logical_name() -> None:
    before = {(r.type, r.name): r.inputs for r in deployed(eks_valid())}
    grown = {(r.type, r.name): r.inputs for r in deployed(with_value("pools.l4.max", 9, eks_valid()))}
    assert before.keys() == grown.keys()
    assert [name for name in before if before[name] != grown[name]] == [
        ("aws:eks/nodeGroup:NodeGroup", "pool-l4")
    ]
    tagged = {(r.type, r.name) for r in deployed(with_value("cluster.tags", {"team": "x"}, eks_valid()))}
    assert before.keys() == tagged


def test_the_preview_tells_cost_quotas_and_support() -> None:
    outputs = recorded("prod").outputs["cluster"]
    assert outputs["quota_vcpus"] == {"L-DB2E81BA": 176, "L-1216C47A": 48, "L-3819A6DF": 32}
    assert outputs["standard_support_until"] == "2027-03-27"
    assert outputs["cost_usd_per_hour"]["control plane"] == {"min": 0.1, "max": 0.1}
    assert outputs["cost_usd_per_hour"]["in all"]["min"] < outputs["cost_usd_per_hour"]["in all"]["max"]


def test_secrets_come_from_secrets_manager_by_their_names_and_stay_secret() -> None:
    raw = with_value("secrets", {"source": "secrets-manager", "prefix": "acme/test/"}, eks_valid())
    asked = []

    def get_secret(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments["secretId"])
        tenants = json.dumps({tenant: f"sk-{tenant}-in-aws" for tenant in raw["tenants"]})
        value = tenants if arguments["secretId"].endswith("tenant_keys") else "sk-in-aws"
        return {"secretString": value, "id": "x", "arn": "arn"}

    token = "aws:secretsmanager/getSecretVersion:getSecretVersion"
    deployment = deploy(run, {"settings": raw}, {}, invokes={token: get_secret})
    assert sorted(asked) == [
        "acme/test/gateway_master_key",
        "acme/test/grafana_admin_password",
        "acme/test/openai_api_key",
        "acme/test/tenant_keys",
    ]
    secret = deployment.one("kubernetes:core/v1:Secret", "gateway-environment")
    assert set(secret.manifest["stringData"].values()) == {"sk-in-aws"}
    assert "in-aws" not in str([without_secrets(r.inputs) for r in deployment])


def test_external_secrets_leave_no_value_to_the_program_and_come_after_the_operator() -> None:
    raw = with_value("secrets", {"source": "external-secrets", "prefix": "acme/test/"}, everything())
    raw["models"]["chat"]["versions"]["v1"]["model_token"] = "hf_token"
    raw["gateway"]["redis"] = {"password": "redis_password"}
    del raw["platform"]  # the operator comes by itself
    deployment = deploy(run, {"settings": raw}, {})
    assert not deployment.of("kubernetes:core/v1:Secret")
    made = {r.name: r for r in deployment.of(f"kubernetes:{API}:ExternalSecret")}
    assert made.keys() == {
        "gateway-environment",
        "gateway-tenant-keys",
        "namespace-model-token-hf-token",
        "platform-grafana-admin",
        "redis-accounts",
    }
    read = {e["remoteRef"]["key"] for r in made.values() for e in r.inputs["spec"]["data"]}
    role = deployment.one("aws:iam/rolePolicy:RolePolicy", "external-secrets").inputs["policy"]
    allowed = json.loads(role)["Statement"][0]["Resource"]
    assert {f"arn:aws:secretsmanager:us-west-2:*:secret:{name}-??????" for name in read} == {*allowed}
    stores = {r.name: r for r in deployment.of(f"kubernetes:{API}:SecretStore")}
    assert all("platform-external-secrets" in store.dependencies for store in stores.values())
    for name, secret in made.items():
        place = "platform" if name.startswith("platform") else "namespace"
        assert f"{place}-secret-store" in secret.dependencies, name
        assert (
            secret.inputs["metadata"]["namespace"]
            == stores[f"{place}-secret-store"].inputs["metadata"]["namespace"]
        )
    prometheus = deployment.one("kubernetes:helm.sh/v3:Release", "platform-kube-prometheus-stack")
    assert "platform-grafana-admin" in prometheus.dependencies


def test_preview_and_up_register_the_same_resources_of_every_kind() -> None:
    preview = {(r.type, r.name) for r in deployed(everything(), preview=True)}
    assert preview == {(r.type, r.name) for r in recorded("everything")}
