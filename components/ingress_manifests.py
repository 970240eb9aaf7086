"""The Ingress in front of the gateway: an ALB with timeouts that fit streams, or any other class. Pure."""

from typing import Any

from components import naming
from components.gateway.model import GatewaySpec, IngressSpec
from components.spec import Manifest
from planner.finding import Finding, error, warning

ALB = "alb"
MAX_ALB_SECONDS = 3600
"""Longest deregistration delay of a target group (AWS Load Balancer Controller, ingress annotations); an idle
timeout may last 4000 s (AWS documentation of load balancer attributes)."""
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3 only (AWS documentation of ALB security policies)."""


def ingress(spec: IngressSpec, gateway: GatewaySpec) -> Manifest:
    """The Ingress of the gateway's Service: exactly `spec.paths` of one host, nothing below or beside them.

    Timeouts are annotations of the ALB; another class keeps those of its own controller.
    """
    annotations = {"annotations": _alb_annotations(spec)} if spec.class_name == ALB else {}
    tls = {"tls": [{"hosts": [spec.hostname], "secretName": spec.tls_secret}]} if spec.tls_secret else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": gateway.name,
            "namespace": gateway.namespace,
            "labels": naming.labels("gateway", gateway.name),
            **annotations,
        },
        "spec": {
            "ingressClassName": spec.class_name,
            **tls,
            "rules": [
                {"host": spec.hostname, "http": {"paths": [_path(path, gateway) for path in spec.paths]}}
            ],
        },
    }


def ingress_findings(spec: IngressSpec, path_prefix: str = "") -> list[Finding]:
    """Return what an ingress of this class cannot do, paths as in the stack file behind `path_prefix`."""
    alb = spec.class_name == ALB
    found = []
    if alb and (longest := max(spec.idle_timeout_seconds, spec.deregistration_seconds)) > MAX_ALB_SECONDS:
        found.append(
            error(
                f"{path_prefix}gateway.longest_stream_seconds",
                f"is {longest}, and an ALB lets nothing go on longer than {MAX_ALB_SECONDS}",
                f"make it {MAX_ALB_SECONDS} or less, or use another ingress class",
            )
        )
    ignored = {"tls_secret": spec.tls_secret} if alb else {"certificate_arn": spec.certificate_arn}
    found += [
        warning(
            f"{path_prefix}gateway.ingress.{field}",
            f"has no meaning for class {spec.class_name}",
            f"give {'certificate_arn' if alb else 'tls_secret'} instead",
        )
        for field, value in ignored.items()
        if value is not None
    ]
    return found


def _path(path: str, gateway: GatewaySpec) -> dict[str, Any]:
    return {
        "path": path,
        "pathType": "Exact",
        "backend": {"service": {"name": gateway.name, "port": {"name": "http"}}},
    }


def _alb_annotations(spec: IngressSpec) -> dict[str, str]:
    """Annotations of the AWS Load Balancer Controller 3."""
    load_balancer = {
        "idle_timeout.timeout_seconds": str(spec.idle_timeout_seconds),
        "routing.http.drop_invalid_header_fields.enabled": "true",
    }
    target_group = {
        "deregistration_delay.timeout_seconds": str(spec.deregistration_seconds),
        # streams differ too much in length to count requests
        "load_balancing.algorithm.type": "least_outstanding_requests",
    }
    certificate = {"certificate-arn": spec.certificate_arn} if spec.certificate_arn else {}
    annotations = {
        "scheme": "internal" if spec.internal else "internet-facing",
        "target-type": "ip",  # straight to the pods, so that a leaving pod is known
        "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]',
        "ssl-redirect": "443",
        "ssl-policy": _TLS_POLICY,
        **certificate,
        "load-balancer-attributes": _attributes(load_balancer),
        "target-group-attributes": _attributes(target_group),
        "healthcheck-path": "/health/readiness",
        "healthcheck-interval-seconds": "10",
        "healthcheck-timeout-seconds": "5",
        "healthy-threshold-count": "2",
        "unhealthy-threshold-count": "2",
        "success-codes": "200",
    }
    return {f"alb.ingress.kubernetes.io/{key}": value for key, value in annotations.items()}


def _attributes(values: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in values.items())
