"""Rules on who may reach what, and on code and images that are not ours."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from planner.checklist.broken import Broken, Check
from planner.checklist.facts import StackFacts


def _given_images(facts: StackFacts) -> Iterator[Broken]:
    """One finding per image a stack file names, and one for all official images together."""
    for version in facts.versions:
        if version.image_given and not version.image_by_digest:
            yield Broken(
                f"{version.path}.image", "is named by a tag, which may move", "name it by its digest"
            )
    official = sum(not version.image_given for version in facts.versions)
    if official:
        yield Broken(
            "models",
            f"{official} version{'s' if official > 1 else ''} with an official image by its tag, which moves",
            "give image with a digest, mirrored to a registry of your own",
        )
    if not facts.gateway_image_by_digest:
        yield Broken("gateway.image", "is named by a tag, which may move", "name it by its digest")


def _firewall(facts: StackFacts) -> Iterator[Broken]:
    if facts.ingress == "public" and not facts.web_firewall:
        yield Broken(
            "gateway.ingress.internal",
            "is false: anyone on the internet may try keys against the gateway",
            "make it true, or put a web application firewall before it",
        )


def _content(facts: StackFacts) -> Iterator[Broken]:
    if facts.ingress == "public" and not facts.content_filter:
        yield Broken(
            "gateway.content_filter",
            "is not given, and the gateway is on the internet",
            "name patterns and words that no prompt may carry",
        )


def _cors(facts: StackFacts) -> Iterator[Broken]:
    if facts.cors_any_origin:
        yield Broken(
            "gateway.cors_origins",
            "lets every web page call with its visitor's key",
            "name the origins that may",
        )


def _tenants(facts: StackFacts) -> Iterator[Broken]:
    for tenant in facts.tenants:
        if not tenant.limits_tokens and not tenant.limits_parallel:
            yield Broken(
                tenant.path,
                "may take all of a model: neither its tokens a minute nor its requests at once are limited",
                "give tokens_per_minute or parallel_requests",
            )


def _requests(facts: StackFacts) -> Iterator[Broken]:
    for tenant in facts.tenants:
        if not tenant.limits_requests:
            yield Broken(f"{tenant.path}.requests_per_minute", "is not limited", "give requests_per_minute")


def _plain_http(facts: StackFacts) -> Iterator[Broken]:
    for external in facts.externals:
        if external.plain_http:
            yield Broken(
                f"{external.path}.base_url",
                "is http://: the provider's key and all prompts travel in clear",
                "use https://",
            )


def _remote_code(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.trusts_remote_code:
            yield Broken(
                f"{version.path}.flags.trust-remote-code",
                "runs code that comes with the weights",
                "use a model the engine knows, or pin the revision and read its code",
            )


def _shared_cache(facts: StackFacts) -> Iterator[Broken]:
    users: dict[str, dict[str, str]] = defaultdict(dict)
    for version in facts.versions:
        if version.host_cache is not None:
            users[version.host_cache].setdefault(version.model, version.path)
    for folder, models in users.items():
        for path in list(models.values())[1:]:
            yield Broken(
                f"{path}.cache.host_path",
                f"{folder} is also another model's: compiled kernels in it are code that both run",
                "give each model a folder of its own",
            )


def _endpoint(facts: StackFacts) -> Iterator[Broken]:
    if facts.endpoint_open_to_all:
        yield Broken(
            "cluster.public_access_cidrs",
            "lets every address reach the cluster's API",
            "name the networks that may, or use the private endpoint only",
        )


def _secrets(facts: StackFacts) -> Iterator[Broken]:
    if facts.secrets_encrypted is False:
        yield Broken(
            "cluster.encryption",
            "is off: Secrets lie in the control plane's store under AWS's key only",
            "give a KMS key",
        )


def _prompts(facts: StackFacts) -> Iterator[Broken]:
    if facts.logs_prompts:
        yield Broken(
            "gateway.log.prompts",
            "is on: what users ask stands in the logs",
            "switch it off, or say who may read them and for how long",
        )


def _audit(facts: StackFacts) -> Iterator[Broken]:
    if facts.audit_log is False:
        yield Broken(
            "gateway.log.requests",
            "is off: who called what with which key cannot be told afterwards",
            "switch it on",
        )


RULES: Mapping[str, Check] = {
    "image-not-pinned": _given_images,
    "public-without-firewall": _firewall,
    "public-without-content-filter": _content,
    "cors-any-origin": _cors,
    "tenant-unbounded": _tenants,
    "tenant-without-request-limit": _requests,
    "provider-over-plain-http": _plain_http,
    "remote-code-trusted": _remote_code,
    "cache-shared-by-models": _shared_cache,
    "cluster-endpoint-open": _endpoint,
    "secrets-not-encrypted": _secrets,
    "prompts-in-logs": _prompts,
    "audit-log-off": _audit,
}
