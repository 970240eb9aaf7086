"""Credentials are found as every AWS tool finds them; without them a preview says so at once."""

from pathlib import Path

import pytest

from local import aws_credentials
from local.errors import LocalError


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials, on a machine that has none to give."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_without_credentials_a_message_says_what_to_do_and_that_nothing_was_done() -> None:
    assert not aws_credentials.found()
    with pytest.raises(LocalError, match=r"no AWS credentials: set AWS_PROFILE.*Nothing was created"):
        aws_credentials.require()


def test_keys_of_the_environment_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    assert aws_credentials.found()
    aws_credentials.require()


def test_a_profile_counts_only_if_it_is_there(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "prod")
    assert not aws_credentials.found()
    text = "[prod]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
    (nobody / "credentials").write_text(text, encoding="utf-8")
    assert aws_credentials.found()
