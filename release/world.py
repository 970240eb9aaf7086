"""What a promoter needs of the outside: pulumi, the cluster, Prometheus, a clock."""

from pathlib import Path
from typing import Protocol

from release.errors import ReleaseError
from release.observation import Sources
from release.series import Series


class BusyError(ReleaseError):
    """Somebody else is at work on the stack: nothing was tried, nothing is wrong with the release."""


class AwayError(ReleaseError):
    """Prometheus does not answer, or not as Prometheus does."""


class World(Protocol):
    """One stack as it runs. Everything raises ReleaseError where it cannot do what is asked."""

    stack_file: Path
    """The file whose `traffic` is moved."""
    sources: Sources
    """Where the series of both versions are."""

    def apply(self) -> None:
        """Have the stack be as its file says (`pulumi up`). Raises BusyError where another is at work."""

    def not_ready(self, version: str) -> list[str]:
        """Why a version cannot take traffic; empty if it can."""

    def gateway_weights(self) -> dict[str, int] | None:
        """Percent by version in the gateway as it runs, zeros left out; None while it rolls."""

    def answer(self, version: str, prompt: str, max_tokens: int) -> str:
        """A version's answer to a prompt, asked by its own name, traffic or not."""

    def prometheus_time(self) -> float:
        """Prometheus' own clock, Unix seconds. Raises AwayError."""

    def query(self, selector: str, at: float) -> list[Series]:
        """Samples of a range selector that ends at a time of Prometheus' clock. Raises AwayError."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
