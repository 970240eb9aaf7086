"""Tenants and gateway of the stack file."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import PositiveInt, Seconds, Settings


class BudgetSettings(Settings):
    """Money for a number of days; what a request costs is told by the models' prices."""

    usd: Annotated[float, Field(gt=0)]
    """USD."""
    days: PositiveInt = 30
    """They begin with the first spend."""


class TenantSettings(Settings):
    """A key holder with limits."""

    requests_per_minute: PositiveInt | None = None
    """Requests a minute; None = the preset's."""
    tokens_per_minute: PositiveInt | None = None
    """Tokens a minute, prompt and answer; None = no limit."""
    parallel_requests: PositiveInt | None = None
    """Requests at once; None = no limit."""
    models: tuple[str, ...]
    """Models the tenant may ask for."""
    priority: Literal["high", "normal", "low"] = "normal"
    """Who goes first when a model is saturated."""
    budget: BudgetSettings | None = None
    """Spend after which the tenant gets 429 until the days are over; None = no limit."""


class ReplicaSettings(Settings):
    """Bounds of a replica count."""

    min: PositiveInt = 2
    """Fewest."""
    max: PositiveInt = 4
    """Most."""


class IngressSettings(Settings):
    """How clients outside the cluster reach the gateway."""

    class_name: str = "alb"
    """`alb`: AWS Load Balancer Controller. Any other: that IngressClass."""
    hostname: str
    """Host name of the API."""
    certificate_arn: str | None = None
    """ACM certificate (alb)."""
    tls_secret: str | None = None
    """Secret with the certificate (other classes)."""
    internal: bool = True
    """Only reachable from inside the VPC (alb)."""


class RedisSettings(Settings):
    """Redis that shares limits between gateway replicas: one of yours by `host`, else one of our own."""

    host: str | None = None
    """Host name of yours; None = one of our own in the cluster."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 6379
    """Port of yours."""
    tls: bool = True
    """Encrypt the connection to yours."""
    password: str | None = None
    """Name of the secret config key with the password; our own must have one."""
    image: str | None = None
    """Image of our own, with tag or digest; None = the one llmserve was tested with."""
    memory_mib: Annotated[int, Field(ge=64)] = 256
    """Memory of our own, MiB."""
    storage_gib: PositiveInt = 1
    """Volume of our own, GiB: limits and budgets outlive a restart."""

    @property
    def is_own(self) -> bool:
        """Whether it is one of our own in the cluster."""
        return self.host is None


class ContentFilterSettings(Settings):
    """Prompts that are refused, and what is masked in answers."""

    blocked_words: tuple[str, ...] = ()
    """Words, case does not matter."""
    blocked_patterns: tuple[Literal["us_ssn", "email", "phone", "credit_card", "aws_access_key"], ...] = ()
    """Prebuilt patterns."""
    answers: bool = False
    """Answers too: what is found in them is masked."""


class ModerationSettings(Settings):
    """A moderation service that judges prompts and answers; what it flags is refused with 400."""

    base_url: str = "https://api.openai.com/v1"
    """Address of any service with OpenAI's moderation API, with its path."""
    model: Literal["omni-moderation-latest", "text-moderation-latest"] = "omni-moderation-latest"
    """Model the service is asked for."""
    api_key: str
    """Name of the secret config key with the service's key, as in `openai_api_key`."""
    reads: tuple[Literal["prompts", "answers"], ...] = ("prompts", "answers")
    """What is judged. Answers in streams: every fifth chunk, with all that came before."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5
    """Longest wait for a verdict; without one the request fails."""


class RequestLogSettings(Settings):
    """Lines of JSON on the gateway's standard output."""

    requests: bool = True
    """One per request and failed try: tenant, key, model, version, tokens, cost, times, outcome."""
    prompts: bool = False
    """Prompts and answers too: personal data in your logs."""


class GatewaySettings(Settings):
    """The one door to all models."""

    image: str | None = None
    """LiteLLM image with tag or digest; None = the one llmserve was tested with."""
    pool: str | None = None
    """Pool it runs on; None = any node without a taint."""
    replicas: ReplicaSettings = Field(default_factory=ReplicaSettings)
    """Bounds of its autoscaler."""
    cpu: Annotated[float, Field(gt=0)] = 1.0
    """CPU cores of a replica: about 90 requests/s or 1,000 chunks/s (docs/gateway.md)."""
    memory_gib: Annotated[float, Field(gt=0)] = 1.5
    """Memory of a replica: 0.7 GiB after 2,600 requests (docs/gateway.md)."""
    service_port: Annotated[int, Field(ge=1, le=65_535)] = 80
    """Port of its Service."""
    ingress: IngressSettings | None = None
    """None = reachable inside the cluster only."""
    redis: RedisSettings | None = None
    """None = every replica counts limits alone."""
    cors_origins: tuple[str, ...] = ()
    """Browser origins that may call."""
    content_filter: ContentFilterSettings | None = None
    """None = no filter."""
    moderation: ModerationSettings | None = None
    """None = nobody judges."""
    log: RequestLogSettings = Field(default_factory=RequestLogSettings)
    """What is written of each request."""
    request_timeout_seconds: PositiveInt | None = None
    """Longest non-streamed answer."""
    first_token_timeout_seconds: PositiveInt | None = None
    """Longest wait for the first token, and between two."""
    longest_stream_seconds: PositiveInt | None = None
    """Longest streamed answer; drain, load balancer and grace times follow from it."""
    retries: Annotated[int, Field(ge=0, le=5)] | None = None
    """Further tries before fallbacks."""
    cooldown_seconds: Seconds | None = None
    """How long a failing version is left alone."""
    prestop_seconds: Seconds | None = None
    """Wait after leaving the Service before SIGTERM."""
