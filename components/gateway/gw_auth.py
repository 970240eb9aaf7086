"""LiteLLM custom-auth hook: tenants' keys by hash from a mounted file. Runs without this repository."""

import hashlib
import hmac
import json
import logging
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

CLIENT_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/messages")
"""All a tenant may call; the rest of LiteLLM's API shows backends, spends money or manages the gateway."""


COUNTERS = 100_000
"""Entries; some ten a tenant and minute, of about 300 bytes each (reckoned)."""


class KeyFile:
    """The keys document of `components.gateway.keys`: SHA-256 hex of a key -> its holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._holders: dict[str, dict[str, Any]] = {}

    def holder(self, digest: str) -> dict[str, Any] | None:
        """Return who holds the key, None if nobody does.

        An unreadable file leaves the keys as they were; the first time it raises OSError or ValueError.
        """
        try:
            state = self._path.stat()  # follows the link the kubelet swaps when the Secret changes
            stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
            if stamp != self._stamp:
                self._holders, self._stamp = json.loads(self._path.read_text("utf-8")), stamp
        except (OSError, ValueError):
            if self._stamp is None:
                raise
            logging.getLogger(__name__).exception("tenant keys not read again: %s", self._path)
        return self._holders.get(digest)


_keys = KeyFile(Path(os.environ.get("TENANT_KEYS_FILE", "")))
if "TENANT_KEYS_FILE" in os.environ:
    _keys.holder("")  # a gateway without keys must not start, else a rollout would go on with it
    # LiteLLM loads this file while its application starts, when no middleware can be added any more
    _app = import_module("litellm.proxy.proxy_server").app
    _app.middleware_stack = import_module("gw_requests").ObjectsOnly(_app.middleware_stack)


def authenticate(api_key: str | None, master_key: str, keys: KeyFile) -> dict[str, Any] | None:
    """Fields of LiteLLM's UserAPIKeyAuth for the holder of `api_key`, None if nobody holds it.

    Lookup goes by SHA-256, so that its time tells nothing about a key; LiteLLM never sees a tenant's key.
    """
    if not api_key:
        return None
    digest = hashlib.sha256(api_key.encode()).hexdigest()
    if master_key and hmac.compare_digest(api_key.encode(), master_key.encode()):
        return {
            "api_key": digest,
            "key_alias": "master",
            "user_role": "proxy_admin",
            "metadata": {"key": "master"},
        }
    if (holder := keys.holder(digest)) is None:
        return None
    return {
        # limits are counted by this: a tenant's keys share them, and a new key brings none of its own
        "api_key": hashlib.sha256(f"tenant {holder['tenant']}".encode()).hexdigest(),
        "key_alias": holder["tenant"],  # the label `api_key_alias` of the metrics
        "user_role": "internal_user",
        "rpm_limit": holder["requests_per_minute"],
        "tpm_limit": holder["tokens_per_minute"],
        "max_parallel_requests": holder["parallel_requests"],
        "models": holder["models"],
        # which of the tenant's keys, for the request log: enough of the hash to find it, too little to use
        "metadata": {
            "priority": holder["priority"],
            "key": digest[:12],
            "budget": holder.get("budget"),  # a document of before budgets may still be mounted
        },
    }


@cache
def make_room_for_counters() -> None:
    """Have LiteLLM keep the counters of limits of all tenants.

    It keeps 200 entries of any kind, and drops those that end first: after 200 tenants had asked, a limit of
    3 requests a minute let all through (seen with 1.108.5, tests/e2e/test_gateway_robust.py). No setting
    changes that.
    """
    proxy = import_module("litellm.proxy.proxy_server")
    proxy.proxy_logging_obj.internal_usage_cache.dual_cache.update_in_memory_max_size(COUNTERS)


async def user_api_key_auth(request: Any, api_key: str | None) -> Any:
    """Tell LiteLLM whose request this is; raises its ProxyException, 400 to 413, for a refused one."""
    types = import_module("litellm.proxy._types")
    make_room_for_counters()
    fields = authenticate(api_key, os.environ.get("LITELLM_MASTER_KEY", ""), _keys)
    import_module("gw_log").caller.set(fields)
    if fields is None:
        raise types.ProxyException("missing or unknown API key", "auth_error", "api_key", 401)
    if fields["user_role"] != "proxy_admin" and request.url.path not in CLIENT_PATHS:
        raise types.ProxyException("this path is not for clients", "auth_error", "path", 403)
    if found := import_module("gw_requests").problem(request.url.path, await request.body()):
        status, message, param = found
        raise types.ProxyException(message, "invalid_request_error", param, status)
    budget = fields["metadata"].get("budget")
    if seconds := await import_module("gw_budget").exhausted(fields["key_alias"], budget):
        text = f"the budget of {budget['usd']} USD for {budget['days']} days is spent"
        headers = {"retry-after": str(seconds)}
        raise types.ProxyException(text, "insufficient_quota", "budget", 429, headers=headers)
    return types.UserAPIKeyAuth(**fields)
