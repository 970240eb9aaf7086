"""The provider's own settings, as a program gives them to `kubernetes.Provider`, with their kubeconfig."""

import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader

from local.providers.protocol import Json, PluginError, has_unknown

LOADER: Any = KubeConfigLoader


class Kubeconfig:
    """One context of a kubeconfig: that of the settings, else KUBECONFIG's first file, else kubectl's own."""

    def __init__(self, settings: Json) -> None:
        ambient = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or "~/.kube/config"
        text, folder = settings.get("kubeconfig") or ambient, Path.cwd()
        if "\n" not in text and not text.lstrip().startswith("{"):
            path = Path(text).expanduser()
            if not path.is_file():
                raise PluginError(f"kubeconfig: there is no file {path}")
            text, folder = path.read_text(encoding="utf-8"), path.resolve().parent
        try:
            content: Any = yaml.safe_load(text)
            self._loader = LOADER(content, settings.get("context"), config_base_path=str(folder))
            self.context, parts = (self._loader.current_context[key] for key in ("name", "context"))
            self.namespace: str = parts.get("namespace") or "default"
            clusters = {entry["name"]: entry["cluster"] for entry in content["clusters"]}
            self.cluster = clusters[parts["cluster"]]
            users = {entry["name"]: entry["user"] for entry in content.get("users") or []}
            self._has_command = "exec" in users.get(parts.get("user"), {})
        except ConfigException as error:
            raise PluginError(f"kubeconfig: {error}") from None
        except (yaml.YAMLError, TypeError, KeyError):
            raise PluginError("kubeconfig: this is not a complete kubeconfig") from None

    def connection(self) -> Configuration:
        """Return address, trust and credentials; raise PluginError when something named there is missing."""
        configuration = Configuration()
        try:
            self._loader.load_and_set(configuration)
        except ConfigException as error:
            raise PluginError(f"kubeconfig: {error}") from None
        if self._has_command and not configuration.api_key and not configuration.cert_file:
            raise PluginError(f'kubeconfig: the command of context "{self.context}" gave no credentials')
        return configuration


class Settings:
    """What the stand-in heeds; the official provider's other settings are accepted and change nothing."""

    def __init__(self, inputs: Json) -> None:
        def switch(key: str, variable: str) -> bool:
            value = os.environ.get(f"PULUMI_K8S_{variable}") if inputs.get(key) is None else inputs[key]
            return str(value).lower() in ("true", "1")  # a program's booleans arrive as JSON text

        for key in ("renderYamlToDirectory", "cluster"):  # they would change what happens
            if inputs.get(key):
                raise PluginError(f"{key}: the stand-in does not support it")
        self.kubeconfig = Kubeconfig(inputs)
        self.namespace = inputs.get("namespace") or self.kubeconfig.namespace
        self.upsert = switch("upsertExistingObjects", "UPSERT_EXISTING_OBJECTS")
        self.patch_force = switch("enablePatchForce", "ENABLE_PATCH_FORCE")
        kinds = ("ConfigMap", "Secret")
        self.mutable = {k for k in kinds if switch(f"enable{k}Mutable", f"ENABLE_{k.upper()}_MUTABLE")}


def is_other_cluster(old: Json, new: Json) -> bool:
    """Whether another cluster is meant: by `clusterIdentifier` if both have it, else by address and trust."""
    if old.get("clusterIdentifier") and new.get("clusterIdentifier"):
        return bool(old["clusterIdentifier"] != new["clusterIdentifier"])
    if has_unknown([old, new]):
        return False
    try:
        before = Kubeconfig(old).cluster
    except PluginError:
        return False  # the old one can no longer be read: nothing says that it was another cluster
    return bool(before != Kubeconfig(new).cluster)
