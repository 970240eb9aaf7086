"""The gateway-neutral model: routes, weights, fallbacks, tenants, limits. Names nothing of any gateway."""

from typing import Literal

from components.spec import EngineName, Resources, ScalingSpec, Spec

METRICS_RESOURCES = Resources(cpu_millicores=50, memory_mib=64, memory_limit_mib=128)
"""Of the sidecar that serves metrics: 20 MiB measured (docs/gateway.md)."""
Provider = Literal["openai", "anthropic"]


class TokenPrice(Spec):
    """USD per million tokens."""

    input_usd: float
    output_usd: float


class Backend(Spec):
    """One place that answers: a version's Service or an external provider."""

    id: str
    """Fixed identity: label of its metrics, and a name to call it directly by (smoke test)."""
    kind: EngineName | Provider
    base_url: str | None
    """Without a path, as in `http://chat-v1`; None = the provider's own address."""
    model: str
    """What the backend calls the model."""
    weight: int
    """Share of its route's requests, percent."""
    api_key_env: str | None = None
    """Environment variable that holds the key; None = the backend wants none."""
    daily_budget_usd: float | None = None
    max_model_len: int | None = None
    price: TokenPrice | None = None
    """What its tokens cost; None = what the gateway knows itself, else nothing."""


class Route(Spec):
    """A public model name and what answers it."""

    name: str
    backends: tuple[Backend, ...]
    """Those with traffic: weights sum to 100."""
    standby: tuple[Backend, ...] = ()
    """Deployed versions without traffic: reachable by their id only."""
    fallbacks: tuple[str, ...] = ()
    """Routes tried in this order when every backend failed."""
    context_fallback: str | None = None
    """Route tried when the prompt is too long for this one."""
    capacity_requests_per_minute: int | None = None
    """Most requests a minute it takes, shared by priority when nearly full. None = neither."""
    sticky: bool = False
    """Whether a key always gets the same backend."""


class Budget(Spec):
    """Money for a number of days, which begin with the first spend."""

    usd: float
    days: int


class Tenant(Spec):
    """A key holder with limits. None = no such limit."""

    name: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    parallel_requests: int | None
    models: tuple[str, ...]
    """Routes the tenant may ask for; their fallbacks are allowed with them."""
    priority: Literal["high", "normal", "low"]
    budget: Budget | None = None


class Redis(Spec):
    """Where limits and cooldowns are shared between gateway replicas."""

    host: str
    port: int
    tls: bool
    in_cluster: bool = False
    """Whether it is a pod of the same namespace."""

    @property
    def url(self) -> str:
        """Its address without a password; an IPv6 address stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' if self.tls else ''}://{host}:{self.port}"


class ContentFilter(Spec):
    """What is refused before a prompt reaches any model."""

    blocked_words: tuple[str, ...] = ()
    blocked_patterns: tuple[str, ...] = ()
    """Names of prebuilt patterns, as in `us_ssn`."""
    answers: bool = False
    """Whether the same is masked in answers."""


class Moderation(Spec):
    """A service with OpenAI's moderation API that judges texts."""

    base_url: str
    """With its path, as in `https://api.openai.com/v1`."""
    model: str
    api_key_env: str
    """Environment variable that holds the service's key."""
    prompts: bool
    answers: bool
    seconds: float
    """Longest wait for a verdict; without one the request fails."""


class RequestLog(Spec):
    """What is written of each request."""

    requests: bool = True
    prompts: bool = False
    """Whether prompts and answers are written too."""


class GatewayModel(Spec):
    """All a gateway must know to route."""

    routes: tuple[Route, ...]
    tenants: tuple[Tenant, ...]
    request_timeout_seconds: int
    first_token_timeout_seconds: int
    longest_stream_seconds: int
    retries: int
    cooldown_seconds: int
    redis: Redis | None
    content_filter: ContentFilter | None
    moderation: Moderation | None = None
    log: RequestLog = RequestLog()


def uses_priorities(model: GatewayModel) -> bool:
    """Whether priorities can have an effect: tenants differ, and there is a capacity to share."""
    differ = any(tenant.priority != "normal" for tenant in model.tenants)
    return differ and any(route.capacity_requests_per_minute is not None for route in model.routes)


def uses_stickiness(model: GatewayModel) -> bool:
    """Whether a route's keys stay with a backend each."""
    return any(route.sticky for route in model.routes)


def uses_budgets(model: GatewayModel) -> bool:
    """Whether a tenant's spend is counted; only Redis can count it."""
    return model.redis is not None and any(tenant.budget for tenant in model.tenants)


class GatewaySpec(Spec):
    """The gateway as it runs: model plus deployment."""

    name: str
    """Kubernetes name of its Deployment and Service."""
    namespace: str
    image: str
    model: GatewayModel
    pool: str | None
    """Pool its pods are held to; None = any node without a taint."""
    resources: Resources
    scaling: ScalingSpec
    """Replica bounds; a gateway always has an autoscaler."""
    service_port: int
    prestop_seconds: int
    margin_seconds: int
    cors_origins: tuple[str, ...]
    monitoring_namespace: str

    @property
    def pod_resources(self) -> Resources:
        """What a whole pod asks for."""
        own, beside = self.resources, METRICS_RESOURCES
        return Resources(
            cpu_millicores=own.cpu_millicores + beside.cpu_millicores,
            memory_mib=own.memory_mib + beside.memory_mib,
            memory_limit_mib=own.memory_limit_mib + beside.memory_limit_mib,
        )

    @property
    def grace_seconds(self) -> int:
        """Termination grace period: preStop, then the longest stream, then the margin."""
        return self.prestop_seconds + self.model.longest_stream_seconds + self.margin_seconds


class IngressSpec(Spec):
    """How clients from outside reach the gateway."""

    class_name: str
    """`alb` = AWS Load Balancer Controller; any other = that IngressClass as it is."""
    hostname: str
    certificate_arn: str | None
    tls_secret: str | None
    internal: bool
    idle_timeout_seconds: int
    deregistration_seconds: int
    paths: tuple[str, ...]
