"""The stack file that pulumi reads: the committed one plus generated secrets, in `.local`."""

import copy
import hashlib
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from local.engine import PROJECT, Engine
from local.errors import LocalError
from local.layout import Layout
from local.private import write_private

PLACEHOLDER = "placeholder-made-by-make-up-not-a-real-key"
MASTER_KEY, TENANT_KEYS = "gateway_master_key", "tenant_keys"
"""Secrets that can be generated; any other is a key to something outside and becomes a placeholder."""
SALT, SOURCE = "encryptionsalt", "# made by `make up` from the committed stack file "
SECRETS = "# with secrets "


def load_settings(path: Path) -> dict[str, Any]:
    """Return `llmserve:settings` of a stack file; raise LocalError if there is none."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings: dict[str, Any] = document["config"][f"{PROJECT}:settings"]
    except FileNotFoundError:
        raise LocalError(f"there is no {path.name} beside Pulumi.yaml") from None
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise LocalError(f"{path.name} has no readable `config: {PROJECT}:settings:` ({error})") from None
    return settings


def prepare(
    engine: Engine,
    stack: str,
    secret_keys: Collection[str],
    own_passwords: Collection[str],
    stack_file: Path | None = None,
) -> Path:
    """Bring the generated stack file up to date and return it; make the stack if there is none.

    It is made from the committed stack file, or from `stack_file` in its place.

    `secret_keys` are the config keys the stack file needs as secrets, `own_passwords` those of them that are
    made up here; the others belong to something outside and get a placeholder. A value once generated is kept
    in `.local/keys` and never changes; one put there by hand, such as a real provider key, is used as it is.
    Values reach pulumi by stdin.
    """
    layout = engine.layout
    generated = layout.generated_stack_file(stack)
    source = stack_file or layout.stack_file(stack)
    committed = source.read_text(encoding="utf-8")
    settings = load_settings(source)
    wanted = _secret_values(layout, secret_keys, own_passwords, settings["tenants"])
    made_of = hashlib.sha256((committed + repr(sorted(wanted.items()))).encode()).hexdigest()
    secrets_of = hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest()
    head = f"{SOURCE}{made_of}\n{SECRETS}{secrets_of}\n"
    before = generated.read_text(encoding="utf-8") if generated.is_file() else ""
    if before.startswith(head):
        return generated
    previous = yaml.safe_load(before) or {}
    content = copy.deepcopy(yaml.safe_load(committed))
    content.pop(SALT, None)
    if SALT in previous:
        content[SALT] = previous[SALT]
    if f"\n{SECRETS}{secrets_of}\n" in before:
        # to encrypt each anew takes a second, and a release changes the file at each of its steps
        names = {f"{PROJECT}:{path.split('[')[0]}" for path in wanted}
        content["config"] |= {name: previous["config"][name] for name in names}
        write_private(generated, head + yaml.safe_dump(content, sort_keys=False))
        return generated
    (layout.state / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n", encoding="utf-8")
    write_private(generated, yaml.safe_dump(content, sort_keys=False))
    _make_stack(engine, stack)
    for path, value in wanted.items():
        arguments = ("config", "set", "--secret", "--path", f"{PROJECT}:{path}", "--stack", stack)
        engine.read(*arguments, stdin=value, cwd=layout.state)
    write_private(generated, head + generated.read_text(encoding="utf-8"))
    return generated


def _make_stack(engine: Engine, stack: str) -> None:
    """Create the stack if needed, in `.local`: `stack init` writes to the stack file beside Pulumi.yaml."""
    kept = engine.layout.backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"
    if not kept.is_file():
        engine.read("stack", "init", stack, "--no-select", cwd=engine.layout.state)


def _secret_values(
    layout: Layout, keys: Collection[str], own: Collection[str], tenants: Collection[str]
) -> dict[str, str]:
    """Return the value of every secret by its config path, generating what is missing."""
    values = {}
    for key in sorted(keys):
        if key == TENANT_KEYS:
            for tenant in sorted(tenants):
                values[f'{TENANT_KEYS}["{tenant}"]'] = _kept(layout.keys / tenant, _new_key())
        else:
            values[key] = _kept(layout.keys / key, _new_key() if key in own else PLACEHOLDER)
    return values


def _kept(path: Path, fresh: str) -> str:
    if not path.is_file():
        write_private(path, fresh)
    return path.read_text(encoding="utf-8").strip()


def _new_key() -> str:
    return f"sk-{secrets.token_urlsafe(32)}"
