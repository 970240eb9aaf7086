"""What an image reference must look like. Pure."""

import re
from collections.abc import Iterator

from planner.finding import Finding, error

_PINNED = re.compile(r"[^\s@]*/?[^\s/:@]+:(?P<tag>[\w][\w.-]{0,127})|[^\s@]+@sha256:[0-9a-f]{64}")
_FIX = "give a fixed tag, as in name:1.2.3, or a digest"


def image_findings(image: str | None, path: str) -> Iterator[Finding]:
    """Yield an error for an image without tag or digest, or with the tag `latest`; None is fine."""
    if image is None:
        return
    match = _PINNED.fullmatch(image)
    if match is None:
        yield error(path, f"{image!r} has neither tag nor digest", _FIX)
    elif match["tag"] == "latest":
        yield error(path, f"{image!r} may be another image tomorrow", _FIX)
