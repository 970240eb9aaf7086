"""Wires the components: the one file that sees all of them."""

from typing import Any

import pulumi

from components import kube
from components.gateway.component import Gateway, GatewayArgs
from components.ingress_manifests import ALB, ingress
from components.namespace import Namespace, NamespaceArgs
from components.platform.releases import KEDA, LOAD_BALANCER_CONTROLLER
from components.prometheus import Prometheus, PrometheusArgs
from components.prometheus_config import PORT
from components.prometheus_manifests import NAME as PROMETHEUS
from components.redis import Redis, RedisArgs
from components.serving.model_version import ModelVersion, ModelVersionArgs
from infra.program_platform import install_platform, ready, watch_models
from infra.providers import kubernetes_provider
from infra.resolve import namespace_spec, token_secret, version_specs
from infra.resolve_gateway import gateway_environment, gateway_spec, ingress_spec
from infra.resolve_platform import prometheus_spec, redis_spec
from infra.secret_keys import token_keys
from infra.settings import Stack
from infra.summary import models_summary


def build(stack: Stack) -> dict[str, Any]:
    """Register every resource of the stack and return its outputs."""
    settings, secrets = stack.settings, stack.secrets
    for finding in stack.warnings:
        pulumi.log.warn(str(finding))
    opts = pulumi.ResourceOptions(providers=[kubernetes_provider(settings.cluster)])
    versions = version_specs(settings)
    gateway = gateway_spec(settings)
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
        ),
        opts,
    )
    platform = install_platform(stack, opts)
    keda = ready(platform, KEDA)
    if watch:
        Prometheus("prometheus", PrometheusArgs(spec=watch, namespace=place.namespace), opts)
    if limits:
        password = secrets[str(settings.gateway.redis and settings.gateway.redis.password)]
        Redis("redis", RedisArgs(spec=limits, namespace=place.namespace, password=password), opts)
    for spec in versions:
        version = ModelVersionArgs(spec=spec, namespace=place.namespace, scaler_after=keda)
        ModelVersion(spec.name, version, opts)
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
            pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(parent=door, depends_on=ready(platform, LOAD_BALANCER_CONTROLLER)),
            ),
        )
    watch_models(stack, versions, gateway, place.namespace, platform, opts)
    return {
        "models": models_summary(settings, versions),
        "gateway": {
            "service": f"{gateway.name}.{gateway.namespace}",
            "port": gateway.service_port,
            "url": f"https://{outside.hostname}" if outside else door.url,
        },
        "prometheus": {"service": f"{PROMETHEUS}.{settings.namespace}", "port": PORT} if watch else None,
        "warnings": [str(finding) for finding in stack.warnings],
    }
