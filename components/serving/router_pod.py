"""The pod of vLLM's router: program, arguments, probes. Pure.

Flags are those of vllm-router 0.1.17, run on loopback (docs/gateway.md, Balancing).
"""

from typing import Any

from components import naming
from components.gateway.gw_requests import MAX_BODY_BYTES
from components.pod_parts import container_security, pod_security, probe, requests_and_limits
from components.spec import RouterSpec, VersionSpec

COMPONENT = "router"
"""Label `app.kubernetes.io/name` of all routers."""
HTTP_PORT = 8080
METRICS_PORT = 29000
ENGINE_PORT = 8000
"""Where vLLM listens (`components.engines.vllm`): the router asks pods, not the Service."""
KUBECONFIG = "kubeconfig"
CONFIG_FOLDER = "/etc/vllm-router"
_USER_ID = 65534
"""nobody: the image's own user is root, and the program needs nothing of it (Dockerfile.router, read)."""
STARTUP_SECONDS = 60
"""It starts in under a second here; a slow node may take longer (our choice)."""
_TRIES, _FAILURES_BEFORE_REST, _REST_SECONDS = 4, 2, 10
"""A replica that refuses twice is left alone, so that a third try of the same request asks another:
`cache_aware` would ask the same again. The gateway's own tries come on top."""
_HEALTH_SECONDS, _HEALTH_FAILURES = 5, 2
"""How fast a replica that dies without a word is left alone; one that is deleted is left at once."""


def router_name(version: str) -> str:
    """Kubernetes name of a version's router, and the host name the gateway asks."""
    return f"{version}-router"


def router_selector(version: VersionSpec) -> dict[str, str]:
    """Labels by which the version's router is found."""
    return naming.selector(COMPONENT, router_name(version.name))


def arguments(version: VersionSpec, spec: RouterSpec) -> list[str]:
    """Arguments of the program."""
    labels = [f"{key}={value}" for key, value in naming.selector("engine", version.name).items()]
    return [
        *("--host", "0.0.0.0", "--port", str(HTTP_PORT)),  # noqa: S104 - a pod's own network
        *("--prometheus-host", "0.0.0.0", "--prometheus-port", str(METRICS_PORT)),  # noqa: S104
        *("--policy", spec.policy),
        *("--service-discovery", "--selector", *labels),
        *("--service-discovery-namespace", version.namespace),
        *("--service-discovery-port", str(ENGINE_PORT)),
        *("--worker-startup-check-interval", "1"),
        *("--health-check-interval-secs", str(_HEALTH_SECONDS)),
        *("--health-failure-threshold", str(_HEALTH_FAILURES)),
        *("--retry-max-retries", str(_TRIES)),
        *("--cb-failure-threshold", str(_FAILURES_BEFORE_REST)),
        *("--cb-timeout-duration-secs", str(_REST_SECONDS)),
        *("--request-timeout-secs", str(spec.longest_stream_seconds)),
        *("--max-payload-size", str(MAX_BODY_BYTES)),
    ]


def router_pod(version: VersionSpec, spec: RouterSpec) -> dict[str, Any]:
    """Spec of the pod."""
    return {
        "serviceAccountName": router_name(version.name),
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.grace_seconds,
        "securityContext": pod_security(_USER_ID),
        "topologySpreadConstraints": [
            {
                "topologyKey": "topology.kubernetes.io/zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": router_selector(version)},
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "containers": [
            {
                "name": COMPONENT,
                "image": spec.image,
                "command": ["vllm-router"],
                "args": arguments(version, spec),
                "env": [
                    {"name": "KUBECONFIG", "value": f"{CONFIG_FOLDER}/{KUBECONFIG}"},
                    # at `info` it tells of each choice; `--log-level` does not change that
                    {"name": "RUST_LOG", "value": "warn"},
                ],
                "ports": [
                    {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
                ],
                "resources": requests_and_limits(spec.resources),
                "startupProbe": _probe("/liveness", STARTUP_SECONDS),
                # 503 until it has found a healthy replica
                "readinessProbe": _probe("/readiness", 15),
                "livenessProbe": _probe("/liveness", 60),
                "lifecycle": {"preStop": {"sleep": {"seconds": spec.prestop_seconds}}},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": container_security(),
                "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": router_name(version.name)}}],
    }


def _probe(path: str, for_seconds: int) -> dict[str, Any]:
    handler = {"httpGet": {"path": path, "port": "http"}}
    return probe(handler, period_seconds=5, for_seconds=for_seconds, timeout_seconds=3)
