"""What stops a release, in words for the user."""


class ReleaseError(Exception):
    """What stopped a release: which setting or thing, what is wrong with it, what would be right."""
