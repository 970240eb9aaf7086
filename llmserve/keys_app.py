"""`llmserve keys`: tenants' keys in a stack's secret config, made, changed and taken back."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from infra.checking import check_stack_file
from infra.secret_keys import TENANT_KEYS
from llmserve.output import errors
from planner.finding import nearest

PROJECT = "llmserve"
KEY_BYTES = 32
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Tenants' keys: secrets of a stack, shown once, effective with the next `pulumi up`.",
)
Tenant = Annotated[str, typer.Argument(help="Tenant of the stack file.")]
Stack = Annotated[str, typer.Option(help="Stack whose secret config holds the keys: dev, prod, ...")]


class KeysError(Exception):
    """Why a key was not changed, in words for the user."""


@app.command()
def new(tenant: Tenant, stack: Stack) -> None:
    """Make a tenant's first key and print it, this once."""
    with _words():
        _known(tenant, stack)
        if _keys(tenant, stack):
            raise KeysError(f"{tenant} has a key on stack {stack} already; `llmserve keys rotate` changes it")
        _hand_over(tenant, stack, [_fresh()])


@app.command()
def rotate(tenant: Tenant, stack: Stack) -> None:
    """Make another key beside the present one and print it, this once; an older one stops.

    Both work after `pulumi up`, until `llmserve keys revoke --older` and the next one.
    """
    with _words():
        _known(tenant, stack)
        present = _keys(tenant, stack)
        if not present:
            raise KeysError(f"{tenant} has no key on stack {stack}; `llmserve keys new` makes one")
        _hand_over(tenant, stack, [_fresh(), present[0]])


@app.command()
def revoke(
    tenant: Tenant,
    stack: Stack,
    older: Annotated[bool, typer.Option(help="Keep the newest key.")] = False,
) -> None:
    """Take a tenant's keys back; a tenant that stays in the stack file needs a new one then."""
    with _words():
        present = _keys(tenant, stack)
        if not present:
            raise KeysError(f"{tenant} has no key on stack {stack}")
        if older:
            _set(tenant, stack, present[:1])
        else:
            _pulumi("config", "rm", "--path", _path(tenant), "--stack", stack)
        _effective(stack)


def _hand_over(tenant: str, stack: str, keys: list[str]) -> None:
    """Store the keys, then print the first: it is never shown again."""
    _set(tenant, stack, keys)
    print(keys[0])
    _effective(stack)


def _effective(stack: str) -> None:
    errors.print(f"effective with `pulumi up --stack {stack}`, without a restart", highlight=False)


def _fresh() -> str:
    return f"sk-{secrets.token_urlsafe(KEY_BYTES)}"


def _known(tenant: str, stack: str) -> None:
    """Raise KeysError for a tenant that the stack file does not have."""
    path = Path(f"Pulumi.{stack}.yaml")
    if not path.is_file():
        raise KeysError(f"there is no {path.name} here; run this beside Pulumi.yaml, --stack names the stack")
    settings = check_stack_file(path).settings
    if settings is None:
        raise KeysError(f"{path.name} has mistakes; `llmserve check {path.name}` shows them")
    if settings.secrets.source != "config":
        raise KeysError(f"secrets.source of {path.name} is {settings.secrets.source}: change keys there")
    if tenant not in settings.tenants:
        hint = nearest(tenant, settings.tenants)
        raise KeysError(f"tenants.{tenant}: there is no such tenant in {path.name}; {hint}")


def _keys(tenant: str, stack: str) -> list[str]:
    """The tenant's keys, newest first; empty if there is none."""
    said = json.loads(_pulumi("config", "--show-secrets", "--json", "--stack", stack))
    row = said.get(f"{PROJECT}:{TENANT_KEYS}", {})
    if row and "objectValue" not in row:  # pulumi would replace all of it, without a word
        raise KeysError(
            f"{PROJECT}:{TENANT_KEYS} on stack {stack} is one encrypted value for all tenants; remove it and "
            f"set each tenant's own: `pulumi config set --secret --path '{_path('TENANT')}'`"
        )
    return str(row.get("objectValue", {}).get(tenant, "")).split()


def _set(tenant: str, stack: str, keys: list[str]) -> None:
    """By stdin: arguments are seen by every user of the machine."""
    arguments = ("config", "set", "--secret", "--path", _path(tenant), "--stack", stack)
    _pulumi(*arguments, stdin=" ".join(keys))


def _path(tenant: str) -> str:
    return f'{PROJECT}:{TENANT_KEYS}["{tenant}"]'


def _pulumi(*arguments: str, stdin: str = "") -> str:
    program = shutil.which("pulumi")
    if program is None:
        raise KeysError(
            "pulumi is not on PATH; install it, https://www.pulumi.com/docs/iac/download-install/"
        )
    done = subprocess.run(
        [program, "--non-interactive", *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise KeysError(f"pulumi {arguments[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextmanager
def _words() -> Iterator[None]:
    try:
        yield
    except KeysError as problem:
        errors.print(f"error: {problem}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
