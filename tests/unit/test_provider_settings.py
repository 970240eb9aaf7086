"""The kubernetes stand-in's settings and the kubeconfig in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.providers.kubernetes.client import Cluster
from local.providers.kubernetes.settings import Kubeconfig, Settings, is_other_cluster
from local.providers.protocol import UNKNOWN, PluginError


def kubeconfig(server: str = "https://one.example", **user: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "main",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user or {"token": "secret-token"}}],
            "contexts": [
                {"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
                {"name": "plain", "context": {"cluster": "c", "user": "u"}},
                {"name": "broken", "context": {"cluster": "ghost", "user": "u"}},
            ],
        }
    )


def test_content_and_path_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig(), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", f"{path}:/there/is/none")
    for settings in ({"kubeconfig": kubeconfig()}, {"kubeconfig": str(path)}, {}):
        read = Kubeconfig(settings)
        assert (read.context, read.namespace) == ("main", "team")
        assert read.cluster == {"server": "https://one.example"}
        assert read.connection().host == "https://one.example"
    assert Kubeconfig({"context": "plain"}).namespace == "default"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kubeconfig": "/there/is/none"}, "kubeconfig: there is no file /there/is/none"),
        ({"kubeconfig": "clusters: [\n"}, "kubeconfig: this is not a complete kubeconfig"),
        ({"kubeconfig": "{}"}, "kubeconfig: Invalid kube-config"),
        ({"kubeconfig": "just\ntext"}, "kubeconfig: "),
        (
            {"kubeconfig": kubeconfig(), "context": "ghost"},
            "Expected object with name ghost in kube-config/contexts",
        ),
        (
            {"kubeconfig": kubeconfig(), "context": "broken"},
            "Expected object with name ghost in kube-config/clusters",
        ),
        ({"renderYamlToDirectory": "out"}, "renderYamlToDirectory: the stand-in does not support it"),
    ],
)
def test_a_setting_that_cannot_work_is_named_and_its_content_is_not(
    settings: dict[str, str], words: str
) -> None:
    with pytest.raises(PluginError) as raised:
        Settings(settings)
    assert words in str(raised.value)
    assert "secret-token" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_command_in_the_kubeconfig_gives_the_token(tmp_path: Path) -> None:
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    program = tmp_path / "get-token"
    program.write_text(
        f"#!/bin/sh\necho '{json.dumps(credential | {'status': {'token': 'made'}})}'\n", encoding="utf-8"
    )
    program.chmod(0o755)
    how = {"apiVersion": credential["apiVersion"], "command": str(program), "args": ["eks"]}
    assert Kubeconfig({"kubeconfig": kubeconfig(exec=how)}).connection().api_key == {
        "BearerToken": "Bearer made"
    }
    with pytest.raises(PluginError, match='the command of context "main" gave no credentials'):
        Kubeconfig({"kubeconfig": kubeconfig(exec=how | {"command": "/bin/false"})}).connection()


def test_switches_come_as_json_text_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Settings({"kubeconfig": kubeconfig()})
    assert (plain.namespace, plain.upsert, plain.patch_force, plain.mutable) == ("team", False, False, set())
    monkeypatch.setenv("PULUMI_K8S_UPSERT_EXISTING_OBJECTS", "true")
    monkeypatch.setenv("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", "true")
    monkeypatch.setenv("PULUMI_K8S_ENABLE_PATCH_FORCE", "true")
    said = {"enableSecretMutable": "true", "enablePatchForce": False, "namespace": "mine"}
    full = Settings({"kubeconfig": kubeconfig(), **said})
    assert (full.namespace, full.upsert, full.patch_force) == ("mine", True, False)
    assert full.mutable == {"ConfigMap", "Secret"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"kubeconfig": kubeconfig()}, {"kubeconfig": kubeconfig(token="renewed")}, False),
        ({"kubeconfig": kubeconfig()}, {"kubeconfig": kubeconfig("https://two.example")}, True),
        ({"kubeconfig": kubeconfig()}, {"kubeconfig": UNKNOWN}, False),
        ({"kubeconfig": "/gone"}, {"kubeconfig": kubeconfig()}, False),
        (
            {"kubeconfig": kubeconfig(), "clusterIdentifier": "a"},
            {"kubeconfig": kubeconfig("https://two.example"), "clusterIdentifier": "a"},
            False,
        ),
        (
            {"kubeconfig": kubeconfig(), "clusterIdentifier": "a"},
            {"kubeconfig": kubeconfig(), "clusterIdentifier": "b"},
            True,
        ),
    ],
    ids=[
        "another token",
        "another server",
        "not known yet",
        "old one is gone",
        "same identifier",
        "other identifier",
    ],
)
def test_objects_are_made_anew_only_in_another_cluster(
    old: dict[str, str], new: dict[str, str], expected: bool
) -> None:
    assert is_other_cluster(old, new) is expected


@pytest.mark.parametrize(
    ("server", "proxied"),
    [("https://127.0.0.1:6443", False), ("https://eks.example", True)],
    ids=["loopback", "cloud"],
)
def test_a_laptops_own_server_is_never_asked_through_a_proxy(
    server: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    pool = Cluster(Kubeconfig({"kubeconfig": kubeconfig(server)}))._pool
    assert (pool.proxy is not None) is proxied
