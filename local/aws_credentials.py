"""Whether AWS credentials are at hand, found as every AWS tool finds them."""

from importlib import import_module

from local.errors import LocalError


def found() -> bool:
    """Whether the environment, a profile, a login or the machine gives credentials; AWS is not asked."""
    session = import_module("botocore.session").Session()
    try:
        credentials = session.get_credentials()
        return credentials is not None and bool(credentials.get_frozen_credentials().access_key)
    except import_module("botocore.exceptions").BotoCoreError:
        return False  # a profile that is not there, a login that has ended


def require() -> None:
    """Raise LocalError if there are none."""
    if not found():
        raise LocalError(
            "no AWS credentials: set AWS_PROFILE, run `aws sso login`, or give AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY. Nothing was created or changed"
        )
