"""LiteLLM's guardrails from the gateway-neutral model: what is read, and what happens to it."""

from typing import Any

from components.gateway.model import ContentFilter, GatewayModel, Moderation

_PATTERN_NAMES = {"phone": "us_phone"}


def guardrails(model: GatewayModel) -> list[dict[str, Any]]:
    """Return the entries of `guardrails` of config.yaml; clients cannot switch them off."""
    listed = []
    if found := model.content_filter:
        listed.append(_content_filter("content-filter", "pre_call", "BLOCK", found))
        if found.answers:
            # masked: a block in the middle of a stream breaks the connection without an error event
            listed.append(_content_filter("content-filter-answers", "post_call", "MASK", found))
    if model.moderation:
        listed.append(_moderation(model.moderation))
    return listed


def _content_filter(name: str, mode: str, action: str, content_filter: ContentFilter) -> dict[str, Any]:
    return {
        "guardrail_name": name,
        "litellm_params": {
            "guardrail": "litellm_content_filter",
            "mode": mode,
            "default_on": True,
            "patterns": [
                {"pattern_type": "prebuilt", "pattern_name": _PATTERN_NAMES.get(n, n), "action": action}
                for n in content_filter.blocked_patterns
            ],
            "blocked_words": [{"keyword": word, "action": action} for word in content_filter.blocked_words],
        },
    }


def _moderation(moderation: Moderation) -> dict[str, Any]:
    # pre_call and not during_call: a prompt that is refused must not have cost a GPU
    modes = [("pre_call", moderation.prompts), ("post_call", moderation.answers)]
    return {
        "guardrail_name": "moderation",
        "litellm_params": {
            "guardrail": "openai_moderation",
            "mode": [mode for mode, wanted in modes if wanted],
            "default_on": True,
            "api_base": moderation.base_url.rstrip("/"),
            "api_key": f"os.environ/{moderation.api_key_env}",
            "model": moderation.model,
            "timeout": moderation.seconds,
        },
    }
