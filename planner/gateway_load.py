"""Cores the gateway needs for what the engines can answer: its part is processor time, token by token."""

import math
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, Field

from planner.data_files import data_file
from planner.finding import Finding, warning


class AnsweredLoad(BaseModel):
    """What the replicas of one version answer a second when they are busy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=0)
    requests_per_second: float = Field(ge=0)
    """Of one replica."""
    tokens_per_second: float = Field(ge=0)
    tokens_per_chunk: int = Field(default=1, ge=1)
    """Tokens that the engine sends at once (vLLM's stream-interval)."""


class GatewayCores(BaseModel):
    """The gateway's replicas and the cores of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_replicas: int = Field(ge=1)
    cores: float = Field(gt=0)

    @property
    def max_cores(self) -> float:
        """Of all replicas at their most."""
        return self.max_replicas * self.cores


def cores_wanted(loads: Iterable[AnsweredLoad], *, most: bool) -> float:
    """Cores for all answers streamed, at the most or the fewest replicas of the engines."""
    rates = data_file("gateway_rates.yaml")
    seconds = 0.0
    for load in loads:
        replicas = load.max_replicas if most else load.min_replicas
        chunks = load.tokens_per_second / load.tokens_per_chunk
        seconds += replicas * (
            rates["core_seconds_per_request"] * load.requests_per_second
            + rates["core_seconds_per_chunk"] * chunks
        )
    return seconds / float(rates["utilisation"])


def gateway_load_findings(gateway: GatewayCores, loads: Iterable[AnsweredLoad]) -> Iterator[Finding]:
    """Find a gateway that at its most replicas is slower than the engines behind it."""
    have, wanted = gateway.max_cores, cores_wanted(loads, most=True)
    if have >= wanted:
        return
    yield warning(
        "gateway.replicas.max",
        f"is {gateway.max_replicas}, {have:g} cores, and all that the engines can stream takes {wanted:.1f}",
        f"make it {math.ceil(wanted / gateway.cores)} or more, or have engines send several tokens at once "
        "(vllm: flags.stream-interval)",
        id="gateway-too-small",
    )
