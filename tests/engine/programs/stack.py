"""A private stack of one tiny program: files in a folder, pulumi runs, its state file."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent
WORD = "correct-horse"
"""The secret setting of the stacks that have one."""


class Stack:
    """A stack whose program lies in a folder of its own; `run` is conftest's `run_pulumi`."""

    def __init__(
        self, program: str, folder: Path, environment: Mapping[str, str], run: Callable[..., Any]
    ) -> None:
        self.folder = folder
        self.environment = dict(environment) | {"PULUMI_CONFIG_PASSPHRASE": "test"}
        self.environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        self._run = run
        shutil.copytree(PROGRAMS / program, folder, dirs_exist_ok=True)
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        (folder / "Pulumi.yaml").write_text(
            json.dumps({"name": program, "runtime": runtime}), encoding="utf-8"
        )
        self.pulumi("stack", "init", "test")

    def set_word(self) -> None:
        """Give the stack its secret setting."""
        self.pulumi("config", "set", "--secret", "word", WORD)

    def write(self, resources: Mapping[str, Any], **order: Any) -> None:
        """Say what the program registers."""
        text = json.dumps({"resources": resources, **order})
        (self.folder / "resources.json").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pulumi, whatever comes of it."""
        done: subprocess.CompletedProcess[str] = self._run(self.folder, self.environment, *arguments)
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start pulumi and let it run."""
        return subprocess.Popen(
            [self.folder / ".local" / "bin" / "pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def said_until(self, process: subprocess.Popen[str], words: str) -> None:
        """Wait until a started pulumi has said some words."""
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if words in line:
                return
        raise AssertionError(f"{words!r} was never said: {said}")

    def pulumi(self, *arguments: str) -> str:
        """Run pulumi, which must succeed; return what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refused(self, *arguments: str) -> str:
        """Run pulumi, which must fail without a traceback; return what it printed."""
        done = self.run(*arguments)
        text = done.stdout + done.stderr
        assert done.returncode != 0, text
        assert "Traceback" not in text, text
        return text

    def up(self) -> str:
        """Apply the program without a preview."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def failed_up(self) -> str:
        """Apply the program without a preview; it must fail, without a traceback."""
        return self.refused("up", "--yes", "--skip-preview")

    @property
    def state_text(self) -> str:
        """The state file as it lies on disk."""
        (path,) = self.folder.rglob("stacks/*/test.json")
        return path.read_text(encoding="utf-8")

    def resources(self) -> dict[str, Any]:
        """The resources in the state, by name; secrets as they lie on disk."""
        resources = json.loads(self.state_text)["checkpoint"]["latest"].get("resources", [])
        return {entry["urn"].rpartition("::")[2]: entry for entry in resources}

    def holds(self, word: str) -> bool:
        """Whether the state file holds a word, in clear or as base64."""
        return any(form in self.state_text for form in (word, base64.b64encode(word.encode()).decode()))


def namespace(name: str) -> dict[str, Any]:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(data: Mapping[str, str], **metadata: Any) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def deployment(
    name: str, where: str, limits: Mapping[str, str] | None = None, **annotations: str
) -> dict[str, Any]:
    """A Deployment of one pod that any node takes, if it has what the limits ask for."""
    container = {"name": "main", "image": "example/image:1", "resources": {"limits": dict(limits or {})}}
    pod = {"containers": [container], "tolerations": [{"operator": "Exists"}]}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": where, "annotations": annotations},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


NO_NODE_HAS = {"nvidia.com/gpu": "999"}
"""Limits that leave a pod without a node."""
