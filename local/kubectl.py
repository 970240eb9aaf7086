"""kubectl against the laptop's control plane."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import LocalError

TIMEOUT_SECONDS = 60


def cache_environment(state: Path) -> dict[str, str]:
    """Return the variable that keeps kubectl's cache in the state folder instead of the home folder."""
    return {"KUBECACHEDIR": str(state / "kubectl-cache")}


@dataclass(frozen=True)
class Kubectl:
    """A kubectl program bound to one kubeconfig."""

    program: Path
    kubeconfig: Path
    context: str | None = None
    """None = the kubeconfig's own choice."""

    @property
    def _command(self) -> list[str]:
        context = ["--context", self.context] if self.context else []
        return [str(self.program), "--kubeconfig", str(self.kubeconfig), *context]

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints; raise LocalError with its own words if it fails."""
        try:
            result = subprocess.run(
                [*self._command, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
                env=os.environ | cache_environment(self.kubeconfig.parent),
            )
        except FileNotFoundError:
            raise LocalError("kubectl is not in .local/bin; run `make tools`") from None
        except subprocess.TimeoutExpired:
            raise LocalError(f"kubectl {arguments[0]} did not end in {TIMEOUT_SECONDS} s") from None
        if result.returncode != 0:
            raise LocalError(f"kubectl {arguments[0]}: {result.stderr.strip()}")
        return result.stdout

    def show(self, *arguments: str) -> int:
        """Run kubectl with its output shown; return its exit status."""
        return subprocess.run(
            [*self._command, *arguments],
            check=False,
            env=os.environ | cache_environment(self.kubeconfig.parent),
        ).returncode

    def list(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the items of `kubectl get` with these arguments."""
        items: list[dict[str, Any]] = json.loads(self.run("get", *arguments, "-o", "json"))["items"]
        return items

    def apply(self, *objects: Mapping[str, Any], subresource: str | None = None) -> None:
        """Apply objects on the server's side, taking over fields others set."""
        extra = [f"--subresource={subresource}"] if subresource else []
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        common = ("--server-side", "--force-conflicts", "--field-manager=llmserve-local")
        self.run("apply", *common, *extra, "-f", "-", stdin=document)

    def is_ready(self) -> bool:
        """Whether the API server answers that it is ready."""
        try:
            return self.run("get", "--raw", "/readyz", "--request-timeout=3s") == "ok"
        except LocalError:
            return False
