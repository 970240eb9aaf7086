"""Wires the components: the one file that sees all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components import kube
from components.aws.karpenter import KarpenterPool, KarpenterPoolArgs
from components.gateway.component import Gateway, GatewayArgs
from components.ingress_manifests import ALB, ingress
from components.namespace import Namespace, NamespaceArgs
from components.platform.releases import (
    EXTERNAL_SECRETS,
    KARPENTER,
    KEDA,
    LOAD_BALANCER_CONTROLLER,
    ClusterNames,
)
from components.prometheus import Prometheus, PrometheusArgs
from components.prometheus_config import PORT
from components.prometheus_manifests import NAME as PROMETHEUS
from components.redis import Redis, RedisArgs
from components.serving.model_version import ModelVersion, ModelVersionArgs
from components.spec import VersionSpec
from infra.eks_cluster import EksCluster, build_eks
from infra.plan_figures import capacity_figures, cost_figures, memory_figures
from infra.program_platform import install_platform, ready, watch_models
from infra.providers import aws_provider, context_provider, eks_provider
from infra.resolve import namespace_spec, token_secret
from infra.resolve_cluster import stack_tags
from infra.resolve_gateway import gateway_environment, ingress_spec
from infra.resolve_platform import prometheus_spec, redis_spec
from infra.secret_keys import secrets_region, token_keys
from infra.secret_values import with_external_secrets, with_managed_secrets
from infra.settings import Stack
from infra.stackfile.cluster import EksClusterSettings
from infra.summary import models_summary
from infra.summary_cluster import cluster_summary, cluster_text


def build(stack: Stack) -> dict[str, Any]:
    """Register every resource of the stack and return its outputs."""
    for finding in stack.warnings:
        pulumi.log.warn(str(finding))
    versions = [plan.spec for plan in stack.plan.versions]
    base = _base(stack, versions)
    stack, opts, made = base.stack, base.opts, base.made
    settings, secrets = stack.settings, stack.secrets
    platform = install_platform(stack, opts, _cluster_names(made) if made else None)
    if made:
        _karpenter_pools(made, ready(platform, KARPENTER), opts)
    gateway = stack.plan.gateway
    outside = ingress_spec(settings)
    watch, limits = prometheus_spec(settings, versions), redis_spec(settings)
    place = Namespace(
        "namespace",
        NamespaceArgs(
            spec=namespace_spec(
                settings, versions, gateway, *(own.resources for own in (watch, limits) if own)
            ),
            host_paths=any(spec.cache.kind == "host_path" for spec in versions),
            readiness_gates=outside is not None and outside.class_name == ALB,
            model_tokens={token_secret(key).name: secrets[key] for key in token_keys(settings)},
            secrets_region=secrets_region(settings),
            secrets_after=ready(platform, EXTERNAL_SECRETS),
        ),
        opts,
    )
    keda = ready(platform, KEDA)
    if watch:
        Prometheus("prometheus", PrometheusArgs(spec=watch, namespace=place.namespace), opts)
    if limits:
        password = secrets[str(settings.gateway.redis and settings.gateway.redis.password)]
        Redis("redis", RedisArgs(spec=limits, namespace=place.namespace, password=password), opts)
    served = [
        ModelVersion(
            spec.name, ModelVersionArgs(spec=spec, namespace=place.namespace, scaler_after=keda), opts
        )
        for spec in versions
    ]
    door = Gateway(
        "gateway",
        GatewayArgs(
            spec=gateway,
            namespace=place.namespace,
            secret_env={env: secrets[key] for env, key in gateway_environment(settings).items()},
            tenant_keys=stack.tenant_keys,
            pods_after=[door for version in served for door in version.door],
        ),
        opts,
    )
    if outside:
        kube.register(
            "ingress",
            kube.placed(ingress(outside, gateway), place.namespace),
            pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(parent=door, depends_on=ready(platform, LOAD_BALANCER_CONTROLLER)),
            ),
        )
    watch_models(stack, versions, gateway, place.namespace, platform, opts)
    return {
        **({"cluster": _cluster_outputs(stack, made)} if made else {}),
        "models": models_summary(settings, versions),
        "memory": memory_figures(stack.plan),
        "capacity": capacity_figures(stack.plan),
        "cost": cost_figures(stack.plan),
        "gateway": {
            "service": f"{gateway.name}.{gateway.namespace}",
            "port": gateway.service_port,
            "url": f"https://{outside.hostname}" if outside else door.url,
        },
        "prometheus": {"service": f"{PROMETHEUS}.{settings.namespace}", "port": PORT} if watch else None,
        "warnings": [str(finding) for finding in stack.warnings],
        "waived": [
            f"{one.finding} (until {one.waiver.until}: {one.waiver.reason})" for one in stack.plan.waived
        ],
    }


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What everything in the cluster stands on."""

    stack: Stack
    """With its secrets."""
    opts: pulumi.ResourceOptions
    """How Kubernetes objects are registered."""
    made: EksCluster | None = None
    """The cluster, where it is ours to make."""


def _base(stack: Stack, versions: Sequence[VersionSpec]) -> _Base:
    """The cluster, made here if the stack file asks for one, and the secrets."""
    settings, chosen = stack.settings, stack.settings.cluster
    if not isinstance(chosen, EksClusterSettings):
        return _Base(stack=stack, opts=pulumi.ResourceOptions(providers=[context_provider(chosen.context)]))
    pulumi.log.info(cluster_text(settings, chosen, stack.today))
    account = aws_provider(chosen, stack_tags(settings, chosen))
    made = build_eks(settings, chosen, versions, account)
    kubernetes = eks_provider(chosen.name, made.cluster.kubeconfig, made.needs)
    match settings.secrets.source:
        case "secrets-manager":
            stack = with_managed_secrets(stack, account)
        case "external-secrets":
            stack = with_external_secrets(stack)
    return _Base(
        stack=stack,
        opts=pulumi.ResourceOptions(providers=[kubernetes]),
        made=made,
    )


def _karpenter_pools(
    made: EksCluster, after: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions
) -> None:
    """Pools whose nodes Karpenter makes, after its chart, which brings their kinds."""
    for spec in made.pools:
        if spec.karpenter and made.karpenter is not None:
            KarpenterPool(
                f"pool-{spec.name}",
                KarpenterPoolArgs(
                    spec=spec,
                    instance_profile=made.karpenter.instance_profile,
                    security_group=made.cluster.security_group_id,
                    subnets=made.network.private_subnets,
                    after=after,
                ),
                opts,
            )


def _cluster_names(made: EksCluster) -> ClusterNames:
    return ClusterNames(
        cluster_name=made.cluster.name,
        region=made.region,
        vpc_id=made.network.vpc_id,
        interruption_queue=made.karpenter.queue if made.karpenter else None,
    )


def _cluster_outputs(stack: Stack, made: EksCluster) -> dict[str, Any]:
    chosen = stack.settings.cluster
    assert isinstance(chosen, EksClusterSettings)  # noqa: S101 - else none is made
    return {
        "name": made.cluster.name,
        "region": chosen.region,
        "kubeconfig": made.cluster.kubeconfig,
        "weights_bucket": made.weights.name if made.weights else None,
        **cluster_summary(stack.settings, chosen, stack.today),
    }
