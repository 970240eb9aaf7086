"""What verbs that act on a checkout share: where it is, what its stack file wants, and failures in words."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from components.prometheus_manifests import NAME as PROMETHEUS
from infra.checking import CheckedStack, check_stack_file
from infra.plan import StackPlan
from infra.resolve import GATEWAY_NAME, version_specs
from infra.resolve_platform import redis_spec
from infra.secret_keys import own_passwords, required_secrets
from infra.stackfile.stack import StackSettings
from llmserve.output import errors, show_findings
from local import layout, up
from local.errors import LocalError
from release.errors import ReleaseError


def checkout() -> layout.Layout:
    """The checkout the working folder is in. Raises LocalError outside of one."""
    found = layout.find(Path.cwd())
    if found is None:
        raise LocalError("no Pulumi.yaml here or above; run this inside a checkout of llmserve")
    return found


def laptop() -> layout.Layout:
    """The checkout, for a verb of the laptop. Raises LocalError where that cannot run."""
    if not sys.platform.startswith("linux"):
        raise LocalError(
            "the laptop's control plane runs on Linux (x86_64 or arm64); use a Linux machine or VM"
        )
    return checkout()


def checked(path: Path) -> tuple[StackSettings, CheckedStack, StackPlan]:
    """A stack file without mistakes, as the preview would find it; shows the mistakes and exits otherwise.

    Raises LocalError if there is no such file.
    """
    if not path.is_file():
        raise LocalError(f"there is no {path.name} beside Pulumi.yaml")
    found = check_stack_file(path)
    if found.settings is None or found.plan is None or found.errors:
        show_findings(found.errors, path.name, errors)
        raise typer.Exit(1)
    return found.settings, found, found.plan


def wanted(settings: StackSettings) -> up.Wanted:
    """What a checked stack file asks of the laptop."""
    place = settings.namespace
    return up.Wanted(
        secret_keys=sorted(required_secrets(settings)),
        own_passwords=own_passwords(settings),
        gateway=(place, GATEWAY_NAME),
        prometheus=(place, PROMETHEUS) if settings.observability.prometheus else None,
        redis=redis_spec(settings) is not None,
        router=any(spec.router for spec in version_specs(settings)),
    )


@contextmanager
def in_words(interrupted: str) -> Iterator[None]:
    """Turn expected failures into one message and a status, never a traceback; say what Ctrl-C leaves."""
    try:
        yield
    except (LocalError, ReleaseError) as problem:
        errors.print(f"error: {problem}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print(f"interrupted: {interrupted}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
