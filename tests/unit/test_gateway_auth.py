"""The custom-auth hook as it runs in the pod, without LiteLLM."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from components.gateway import gw_auth, gw_budget, gw_log, gw_requests
from components.gateway.keys import keys_document
from tests.unit.gateway_examples import model, tenant

MASTER = "sk-master-of-a-test"
KEY = "sk-search-of-a-test"
TENANTS = (tenant("search", tokens_per_minute=500, parallel_requests=2, priority="high"),)


@pytest.fixture
def keys_path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(keys_document(model(tenants=TENANTS), {"search": KEY}), encoding="utf-8")
    return path


def authenticate(key: str | None, path: Path) -> dict[str, Any] | None:
    return gw_auth.authenticate(key, MASTER, gw_auth.KeyFile(path))


def test_a_tenants_key_brings_its_limits_and_models(keys_path: Path) -> None:
    fields = authenticate(KEY, keys_path)
    assert fields is not None
    assert len(fields.pop("api_key")) == 64, (
        "LiteLLM gets the hash, so that logs and metrics cannot show the key"
    )
    assert fields == {
        "key_alias": "search",
        "user_role": "internal_user",
        "rpm_limit": 60,
        "tpm_limit": 500,
        "max_parallel_requests": 2,
        "models": ["chat", "summary", "openai"],
        "metadata": {
            "priority": "high",
            "key": hashlib.sha256(KEY.encode()).hexdigest()[:12],
            "budget": None,
        },
    }


def test_the_master_key_is_an_administrator(keys_path: Path) -> None:
    fields = authenticate(MASTER, keys_path)
    assert fields is not None
    assert fields["user_role"] == "proxy_admin"
    assert MASTER not in str(fields)


@pytest.mark.parametrize("key", ["sk-wrong", "", None, "ключ"])
def test_any_other_key_is_nobodys(key: str | None, keys_path: Path) -> None:
    assert authenticate(key, keys_path) is None


def test_without_a_master_key_the_empty_key_is_still_refused(keys_path: Path) -> None:
    assert gw_auth.authenticate("", "", gw_auth.KeyFile(keys_path)) is None


def test_an_edit_of_the_file_counts_at_once_in_both_directions(keys_path: Path) -> None:
    keys = gw_auth.KeyFile(keys_path)
    assert gw_auth.authenticate(KEY, MASTER, keys)
    replace(keys_path, keys_document(model(tenants=TENANTS), {"search": "sk-new"}))
    assert gw_auth.authenticate(KEY, MASTER, keys) is None
    assert gw_auth.authenticate("sk-new", MASTER, keys)


def test_an_edit_of_the_same_length_in_the_same_moment_counts_too(keys_path: Path) -> None:
    keys = gw_auth.KeyFile(keys_path)
    assert gw_auth.authenticate(KEY, MASTER, keys)
    before = keys_path.stat()
    replace(keys_path, keys_document(model(tenants=TENANTS), {"search": "sk-other"}))
    os.utime(keys_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert gw_auth.authenticate(KEY, MASTER, keys) is None


@pytest.mark.parametrize("broken", ["{not json", None], ids=["no JSON", "gone"])
def test_a_file_that_breaks_later_leaves_the_keys_as_they_were(keys_path: Path, broken: str | None) -> None:
    keys = gw_auth.KeyFile(keys_path)
    assert gw_auth.authenticate(KEY, MASTER, keys)
    keys_path.unlink()
    if broken is not None:
        keys_path.write_text(broken, encoding="utf-8")
    assert gw_auth.authenticate(KEY, MASTER, keys)


def replace(path: Path, text: str) -> None:
    """Change a file as the kubelet does: another file takes its place."""
    other = path.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    other.replace(path)


class FakeProxyError(Exception):
    def __init__(self, message: str, kind: str, param: str, code: int) -> None:
        super().__init__(message, kind, param)
        self.code = code


@pytest.fixture
def _litellm(monkeypatch: pytest.MonkeyPatch, keys_path: Path) -> None:
    """Stand in for LiteLLM's two types; its real ones are used in docs/gateway.md's run."""
    module = types.ModuleType("litellm.proxy._types")
    module.ProxyException = FakeProxyError  # type: ignore[attr-defined]
    module.UserAPIKeyAuth = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "litellm.proxy._types", module)
    monkeypatch.setitem(sys.modules, "gw_requests", gw_requests)
    monkeypatch.setitem(sys.modules, "gw_log", gw_log)
    monkeypatch.setitem(sys.modules, "gw_budget", gw_budget)
    monkeypatch.setattr(gw_auth, "make_room_for_counters", lambda: None)
    monkeypatch.setenv("LITELLM_MASTER_KEY", MASTER)
    monkeypatch.setattr(gw_auth, "_keys", gw_auth.KeyFile(keys_path))


def call(key: str | None, path: str) -> Any:
    async def body() -> bytes:
        return json.dumps(
            {"model": "m", "messages": [{"role": "user"}], "prompt": "x", "input": "x", "max_tokens": 5}
        ).encode()

    request = types.SimpleNamespace(url=types.SimpleNamespace(path=path), body=body)
    return asyncio.run(gw_auth.user_api_key_auth(request, key))


@pytest.mark.usefixtures("_litellm")
@pytest.mark.parametrize(
    ("key", "path", "code"),
    [
        ("sk-wrong", "/v1/chat/completions", 401),
        (None, "/v1/chat/completions", 401),
        (KEY, "/health", 403),
        (KEY, "/model/info", 403),
        (KEY, "/chat/completions", 403),
        (KEY, "/v1/chat/completions/../../health", 403),
    ],
)
def test_refused_calls_get_the_status_that_says_why(key: str | None, path: str, code: int) -> None:
    with pytest.raises(FakeProxyError) as refused:
        call(key, path)
    assert refused.value.code == code
    assert not key or key not in str(refused.value)


@pytest.mark.usefixtures("_litellm")
@pytest.mark.parametrize("path", gw_auth.CLIENT_PATHS)
def test_a_tenant_may_call_every_client_path(path: str) -> None:
    assert call(KEY, path)["key_alias"] == "search"


@pytest.mark.usefixtures("_litellm")
def test_a_wrong_request_is_refused_after_its_key_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gw_requests, "MAX_BODY_BYTES", 10)
    for key, code in ((KEY, 413), ("sk-wrong", 401)):
        with pytest.raises(FakeProxyError) as refused:
            call(key, "/v1/chat/completions")
        assert refused.value.code == code


@pytest.mark.usefixtures("_litellm")
def test_the_master_key_may_call_the_rest() -> None:
    assert call(MASTER, "/model/info")["user_role"] == "proxy_admin"


def test_a_gateway_whose_keys_cannot_be_read_does_not_start(tmp_path: Path) -> None:
    """The hook is loaded as LiteLLM loads it: a file on its own, without this repository."""
    for module in (gw_auth, gw_requests):
        source = Path(str(module.__file__))
        (tmp_path / source.name).write_text(source.read_text("utf-8"), encoding="utf-8")
    stand_in = tmp_path / "litellm" / "proxy" / "proxy_server.py"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text("class app:\n    middleware_stack = None\n", encoding="utf-8")
    (tmp_path / "keys.json").write_text("{not json", encoding="utf-8")
    codes = {}
    for name in ("keys.json", "missing.json"):
        environment = {"TENANT_KEYS_FILE": str(tmp_path / name)}
        load = [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import gw_auth",
        ]
        codes[name] = subprocess.run(load, env=environment, capture_output=True, check=False).returncode
    assert codes == {"keys.json": 1, "missing.json": 1}
    (tmp_path / "keys.json").write_text(json.dumps({}), encoding="utf-8")
    environment = {"TENANT_KEYS_FILE": str(tmp_path / "keys.json")}
    assert subprocess.run(load, env=environment, capture_output=True, check=False).returncode == 0
