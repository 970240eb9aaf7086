"""LiteLLM callback: what clients are told of failures, without internals. Runs without this repository."""

import json
import math
import re
from contextlib import suppress
from importlib import import_module
from typing import Any

HIDDEN_HEADERS = ("x-litellm-model-api-base",)
"""Of LiteLLM's response headers those that tell where a backend is."""
RETRY_AFTER_SECONDS = 10
"""Where LiteLLM does not know when a version is asked again: the default of `cooldown_seconds`."""
UNAVAILABLE = "no version of the model could answer; the request's id is in the header x-litellm-call-id"
_ADDRESS = re.compile(
    r"https?://[^\s'\"<>]+"
    r"|(?<=to host )\S+"  # aiohttp's words for a refused connection
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b[\w-]+(?:\.[\w-]+)*\.svc(?:\.cluster\.local)?(?::\d+)?\b"
)
_WRAPPING = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception)(?:: | - ))+")
"""What LiteLLM puts before an engine's words, as in `litellm.BadRequestError: Hosted_vllmException - `."""


def shown_status(error: Exception) -> int:
    """Return the status that the client sees for an error of LiteLLM, its router or a hook."""
    status = str(getattr(error, "status_code", None) or getattr(error, "code", None))
    known = int(status) if status.isdigit() else 500
    return 503 if is_unavailable(error) or known in (500, 502) else known


def is_unavailable(error: Exception) -> bool:
    """Whether LiteLLM had no version left to ask, which it calls a rate limit."""
    return type(error).__name__.startswith("RouterRateLimitError")


def shown_text(text: str) -> str:
    """Return an engine's own words for a refusal: without LiteLLM's around them, and without addresses."""
    words = _WRAPPING.sub("", text.partition("\n")[0])
    with suppress(ValueError, TypeError, KeyError):  # an engine that does not answer in OpenAI's form
        words = json.loads(words)["error"]["message"]
    return _ADDRESS.sub("[address]", str(words))


def __getattr__(name: str) -> Any:
    """Make `privacy`, which LiteLLM asks for by its name: its base class is LiteLLM's."""
    if name != "privacy":
        raise AttributeError(name)
    base: Any = import_module("litellm.integrations.custom_logger").CustomLogger

    class Privacy(base):  # type: ignore[misc]
        async def async_post_call_response_headers_hook(self, **_: Any) -> dict[str, str]:
            return dict.fromkeys(HIDDEN_HEADERS, "")  # they can be written over, not taken away

        async def async_post_call_failure_hook(self, original_exception: Any, **_: Any) -> Any:
            if (status := shown_status(original_exception)) >= 500:
                wait = math.ceil(getattr(original_exception, "cooldown_time", 0) or RETRY_AFTER_SECONDS)
                headers = {"retry-after": str(wait)}
                return import_module("fastapi").HTTPException(status, UNAVAILABLE, headers)
            # changed in place: LiteLLM makes status, headers and form from the exception as it is
            for field in ("message", "detail"):
                if isinstance(text := getattr(original_exception, field, None), str):
                    setattr(original_exception, field, shown_text(text))
            return None

    return Privacy()
