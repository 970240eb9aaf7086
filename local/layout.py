"""Where things lie: the checkout, and its `.local` folder that holds all a laptop run makes."""

from dataclasses import dataclass
from pathlib import Path

KEPT_BY_DOWN = ("bin", "go", "litellm", "redis", "router")
"""What `down` leaves in `.local`: the programs, which take minutes to build, Go, LiteLLM and Redis."""

EKS_TOKENS = "eks-tokens.csv"
"""Beside the control plane's kubeconfig: the token that the aws stand-in's `aws eks get-token` prints."""


@dataclass(frozen=True)
class Layout:
    """Paths of one checkout."""

    root: Path
    """Folder of Pulumi.yaml, absolute."""

    @property
    def state(self) -> Path:
        """All that is made by running; git ignores it."""
        return self.root / ".local"

    @property
    def programs(self) -> Path:
        """Programs that `make tools` found or built."""
        return self.state / "bin"

    @property
    def litellm(self) -> Path:
        """LiteLLM's own Python environment."""
        return self.state / "litellm"

    @property
    def router(self) -> Path:
        """Python environment of vLLM's router."""
        return self.state / "router"

    @property
    def redis(self) -> Path:
        """Where the pods' Redis is."""
        return self.state / "redis"

    @property
    def node(self) -> Path:
        """What the process node keeps: pods' files, logs and volumes."""
        return self.state / "node"

    @property
    def kubeconfig(self) -> Path:
        """How to reach the control plane."""
        return self.state / "kubeconfig"

    @property
    def plugins(self) -> Path:
        """Launchers of the stand-ins, first on PATH where they are used."""
        return self.state / "plugins"

    @property
    def cloud(self) -> Path:
        """The account of the aws stand-in: what it was asked to make."""
        return self.state / "cloud"

    @property
    def backend(self) -> Path:
        """Pulumi's state of the laptop's stacks."""
        return self.state / "backend"

    @property
    def passphrase(self) -> Path:
        """Random passphrase that encrypts that state's secrets."""
        return self.state / "passphrase"

    @property
    def keys(self) -> Path:
        """One file per generated secret; a tenant's file is its API key."""
        return self.state / "keys"

    @property
    def logs(self) -> Path:
        """Output of quiet commands."""
        return self.state / "logs"

    def stack_file(self, stack: str) -> Path:
        """Return the committed stack file."""
        return self.root / f"Pulumi.{stack}.yaml"

    def generated_stack_file(self, stack: str) -> Path:
        """Return the copy with generated secrets, the one pulumi reads."""
        return self.state / f"Pulumi.{stack}.yaml"


def find(start: Path) -> Layout | None:
    """Return the checkout that `start` lies in, or None."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "Pulumi.yaml").is_file():
            return Layout(folder)
    return None
