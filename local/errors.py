"""The one exception of this package."""


class LocalError(Exception):
    """What stopped a local command and what to do about it, in words for the user."""
