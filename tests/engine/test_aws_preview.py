"""`make preview` of a stack that makes its own EKS cluster: on a laptop, without AWS and a control plane."""

import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from local.errors import LocalError
from local.preview import preview
from local.up import Wanted
from tests.engine.checkout import Checkout, make_checkout
from tests.engine.programs.stack import PROGRAMS
from tests.engine.test_aws_provider import AwsStack

SETTINGS = {"cluster": {"kind": "eks", "name": "dev", "region": "us-west-2"}, "tenants": {}, "pools": {}}
NOTHING = Wanted([], [], gateway=("llmserve", "gateway"), prometheus=None, redis=False)


@pytest.fixture
def checkout(programs: Path, tmp_path: Path) -> Checkout:
    """A checkout whose program is programs/aws and whose `dev` makes its own cluster."""
    made = make_checkout(tmp_path, programs)
    root = made.layout.root
    shutil.copytree(PROGRAMS / "aws", root / "aws-program")
    AwsStack.write_order(root / "aws-program")
    runtime = {"name": "python", "options": {"virtualenv": ".venv"}}
    project = {"name": "llmserve", "runtime": runtime, "main": "aws-program"}
    (root / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    (root / "Pulumi.dev.yaml").write_text(
        yaml.safe_dump({"config": {"llmserve:settings": SETTINGS}}), encoding="utf-8"
    )
    return made


def test_a_rehearsal_says_who_answers_and_what_it_does_not_prove(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    preview(checkout.layout, "dev", NOTHING, Console(width=400))
    said = capfd.readouterr().out
    assert "pulumi-resource-aws, which could not be had here (`make plugins` tries again)" in said
    assert "a rehearsal of a new stack dev, with made-up secrets, in us-west-2. Not proven by it: IAM" in said
    assert "aws:eks:NodeGroup eks-l4 create" in said
    assert not (checkout.layout.state / "kwok").exists(), "no control plane is started"
    assert not list(checkout.layout.cloud.rglob("*.json")), "nothing is made"


def test_with_a_backend_of_ones_own_missing_credentials_stop_it_before_anything_runs(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "backend").as_uri())
    with pytest.raises(LocalError, match=r"no AWS credentials: .* Nothing was created or changed"):
        preview(checkout.layout, "dev", NOTHING, Console())
    assert not (tmp_path / "backend").exists()
