"""What the checklist is asked about: a flat picture of a stack, free of how settings or manifests spell it.

Whoever holds the settings fills it in: `stack_facts(settings, versions, gateway, ingress) -> StackFacts`.
None means that it is not decided here (another tool's, or a cluster that is not ours): the rules say nothing.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.quota import Capacity
from planner.rules import Environment


class Facts(BaseModel):
    """Base of all facts: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionFacts(Facts):
    """An engine with weights on a pool."""

    model: str
    path: str
    """Dotted path of its settings."""
    engine: str
    has_traffic: bool = True
    """False: standby."""
    min_replicas: int
    capacity: Capacity = "on-demand"
    """Of its pool."""
    revision_pinned: bool | None = None
    """None where weights have no revision (a bucket, an Ollama tag)."""
    image_by_digest: bool = False
    image_given: bool = False
    """False: the engine's official image, by its tag."""
    max_model_len_given: bool = True
    max_num_seqs_given: bool = True
    queue_bounded: bool | None = None
    """Whether the engine refuses requests beyond a length of its queue; None = it cannot, or always does."""
    prefix_caching: bool | None = None
    """None = the engine's default."""
    weights_source: Literal["hub", "s3", "shared", "local"] = "hub"
    weights_kept: bool = False
    """Whether they outlive the pod."""
    host_cache: str | None = None
    """Folder of the node that it caches in."""
    trusts_remote_code: bool = False
    """Runs Python code that comes with the weights."""
    has_metrics: bool = True
    """Whether the engine serves Prometheus metrics."""
    throughput_measured: bool = False
    """Whether a load test's result stands in the stack file."""


class ModelFacts(Facts):
    """A public name and what answers it."""

    name: str
    path: str
    autoscaled: bool
    follows_cpu_only: bool = False
    needs_metrics_adapter: bool = False
    """Whether its autoscaler asks the custom or external metrics API of Kubernetes (native HPA, no KEDA)."""
    has_fallback: bool = False
    """Another model is asked when it fails."""
    has_fallback_off_spot: bool = False
    """One of them answers from elsewhere than spot nodes."""
    has_objectives: bool = False


class ExternalFacts(Facts):
    """A provider outside."""

    name: str
    path: str
    has_budget: bool
    plain_http: bool = False
    """Its address is http:// and not a name of this cluster."""


class TenantFacts(Facts):
    """A key holder."""

    name: str
    path: str
    limits_requests: bool
    limits_tokens: bool
    limits_parallel: bool


class StackFacts(Facts):
    """One stack, as far as a checklist cares."""

    environment: Environment
    """What it is for: a setting of its own, never the stack's name."""
    versions: tuple[VersionFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    externals: tuple[ExternalFacts, ...] = ()
    tenants: tuple[TenantFacts, ...] = ()

    gateway_min_replicas: int
    gateway_image_by_digest: bool = False
    ingress: Literal["none", "internal", "public"] = "none"
    web_firewall: bool | None = None
    """Whether a web application firewall stands before a public ingress."""
    content_filter: bool = False
    cors_any_origin: bool = False

    zones: int | None = None
    """Availability zones the nodes are spread over."""
    endpoint_open_to_all: bool | None = None
    """Whether the cluster's API answers every address."""
    secrets_encrypted: bool | None = None
    """Kubernetes Secrets by a key of the account's own."""
    control_plane_logs: bool | None = None
    deletion_protected: bool | None = None
    data_protected: bool | None = None
    """Whether Pulumi refuses to delete what holds data."""

    metrics_collected: bool | None = None
    dashboards: bool | None = None
    alerts: bool | None = None
    traces: bool | None = None
    logs_collected: bool | None = None
    logs_prompts: bool | None = None
    audit_log: bool | None = None
