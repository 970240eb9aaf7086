"""Wires the components: the one file that sees all of them."""

from typing import Any

import pulumi

from components import kube
from components.aws.karpenter import KarpenterPool, KarpenterPoolArgs
from components.gateway.component import Gateway, GatewayArgs
from components.ingress_manifests import ALB, ingress
from components.namespace import Namespace, NamespaceArgs
from components.serving.model_version import ModelVersion, ModelVersionArgs
from components.spec import VersionSpec
from infra.eks_cluster import EksCluster, build_eks
from infra.providers import context_provider, eks_provider
from infra.resolve import namespace_spec, token_secret, version_specs
from infra.resolve_gateway import gateway_environment, gateway_spec, ingress_spec
from infra.secret_keys import token_keys
from infra.settings import Stack
from infra.stackfile.cluster import EksClusterSettings
from infra.summary import models_summary
from infra.summary_cluster import cluster_summary, cluster_text


def build(stack: Stack) -> dict[str, Any]:
    """Register every resource of the stack and return its outputs."""
    settings, secrets = stack.settings, stack.secrets
    for finding in stack.warnings:
        pulumi.log.warn(str(finding))
    versions = version_specs(settings)
    opts, outputs = _cluster(stack, versions)
    gateway = gateway_spec(settings)
    outside = ingress_spec(settings)
    place = Namespace(
        "namespace",
        NamespaceArgs(
            spec=namespace_spec(settings, versions, gateway),
            host_paths=any(spec.cache.kind == "host_path" for spec in versions),
            readiness_gates=outside is not None and outside.class_name == ALB,
            model_tokens={token_secret(key).name: secrets[key] for key in token_keys(settings)},
        ),
        opts,
    )
    for spec in versions:
        ModelVersion(spec.name, ModelVersionArgs(spec=spec, namespace=place.namespace), opts)
    door = Gateway(
        "gateway",
        GatewayArgs(
            spec=gateway,
            namespace=place.namespace,
            secret_env={env: secrets[key] for env, key in gateway_environment(settings).items()},
            tenant_keys=stack.tenant_keys,
        ),
        opts,
    )
    if outside:
        kube.register(
            "ingress",
            kube.placed(ingress(outside, gateway), place.namespace),
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(parent=door)),
        )
    return {
        **outputs,
        "models": models_summary(settings, versions),
        "gateway": {
            "service": f"{gateway.name}.{gateway.namespace}",
            "port": gateway.service_port,
            "url": f"https://{outside.hostname}" if outside else door.url,
        },
        "warnings": [str(finding) for finding in stack.warnings],
    }


def _cluster(stack: Stack, versions: list[VersionSpec]) -> tuple[pulumi.ResourceOptions, dict[str, Any]]:
    """Make the cluster, if it is ours to make; return how to register Kubernetes objects, and its outputs."""
    settings, chosen = stack.settings, stack.settings.cluster
    if not isinstance(chosen, EksClusterSettings):
        return pulumi.ResourceOptions(providers=[context_provider(chosen.context)]), {}
    pulumi.log.info(cluster_text(settings, chosen, stack.today))
    made = build_eks(settings, chosen, versions)
    provider = eks_provider(chosen.name, made.cluster.kubeconfig, made.needs)
    opts = pulumi.ResourceOptions(providers=[provider])
    # Platform(...) of components/platform belongs here: before Karpenter's pools and everything that serves.
    _karpenter_pools(made, opts)
    outputs = {
        "name": made.cluster.name,
        "region": chosen.region,
        "kubeconfig": made.cluster.kubeconfig,
        "weights_bucket": made.weights.name if made.weights else None,
        **cluster_summary(settings, chosen, stack.today),
    }
    return opts, {"cluster": outputs}


def _karpenter_pools(made: EksCluster, opts: pulumi.ResourceOptions) -> None:
    if made.karpenter is None:
        return
    for spec in made.pools:
        if spec.karpenter:
            KarpenterPool(
                f"pool-{spec.name}",
                KarpenterPoolArgs(
                    spec=spec,
                    instance_profile=made.karpenter.instance_profile,
                    security_group=made.cluster.security_group_id,
                    subnets=made.network.private_subnets,
                    after=[],
                ),
                opts,
            )
