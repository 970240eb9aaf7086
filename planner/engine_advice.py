"""Which engine suits a situation: ranked, with reasons, beside a table that compares them all. Pure."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from planner.catalogue import chips
from planner.data_files import data_file


class Situation(BaseModel):
    """What the advice is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int = Field(ge=1)
    """Requests at the same time."""
    parameters_billion: float | None = Field(default=None, gt=0)
    weights_gb: float | None = Field(default=None, gt=0)
    """Size of the weights, 10^9 bytes; None = two bytes per parameter."""
    chip: str | None = None
    """A chip of the catalogue, as in `L4`; None = no NVIDIA GPU."""
    gpu_memory_gib: float | None = Field(default=None, gt=0)
    """Of all GPUs together; None = not checked."""
    ecosystem: Literal["any", "hugging-face", "nvidia"] = "any"
    place: Literal["local", "production"] = "production"
    first: Literal["throughput", "latency", "cost", "ease"] = "throughput"
    """What counts most."""
    streaming: bool = True
    many_models: bool = False
    """Many models, changing often."""
    gguf: bool = False
    """The weights are GGUF files."""
    preset: Literal["current", "textbook"] = "current"
    """textbook: the source documents' choices, which know of no deprecation."""

    @model_validator(mode="after")
    def _has_a_size_and_a_known_chip(self) -> Self:
        if self.parameters_billion is None and self.weights_gb is None:
            raise ValueError("give parameters_billion or weights_gb")
        if self.chip is not None and self.chip not in chips():
            raise ValueError(f"{self.chip!r} is not a chip of the catalogue: {', '.join(chips())}")
        return self

    @property
    def size_gb(self) -> float:
        """Size of the weights, given or by the rule of thumb."""
        if self.weights_gb is not None:
            return self.weights_gb
        return (self.parameters_billion or 0) * float(_data()["bytes_per_parameter"])


class EngineProfile(BaseModel):
    """One row of the comparison table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: str
    technique: str
    throughput: str
    latency: str
    ease: str
    quantisation: str
    api: str
    metrics: str
    after_sigterm: str
    source: str
    deprecated: str | None = None
    """Why it should not be chosen any more."""


class Advice(BaseModel):
    """One engine in this situation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    suited: bool
    """False: it cannot be used here, and `against` says why."""
    points: int
    reasons: tuple[str, ...]
    against: tuple[str, ...]
    deprecated: str | None


def advise(situation: Situation) -> list[Advice]:
    """Rank all engines, best first; those that cannot be used come last."""
    ranked = [_advice(engine, situation) for engine in engine_profiles()]
    return sorted(ranked, key=lambda advice: (not advice.suited, -advice.points))


def notes(situation: Situation) -> list[str]:
    """What should be said beside any ranking."""
    said = []
    memory = situation.gpu_memory_gib
    if memory is not None and situation.size_gb * 1e9 > memory * 2**30:
        said.append(
            f"weights of {situation.size_gb:g} GB do not fit {memory:g} GiB: quantise them, "
            "or take more memory"
        )
    if situation.chip is not None and not chips()[situation.chip].bf16:
        said.append(f"{situation.chip} has no bfloat16: serve in float16")
    if situation.place == "production" and situation.users == 1:
        said.append("one request at a time leaves most of a GPU unused: an external provider may cost less")
    return said


@cache
def engine_profiles() -> Mapping[str, EngineProfile]:
    """The comparison table by engine."""
    rows = {name: EngineProfile(**row) for name, row in _data()["engines"].items()}
    return MappingProxyType(rows)


def profiles_table() -> str:
    """The comparison table as Markdown, for docs/engine-advice.md."""
    fields = [name for name in EngineProfile.model_fields if name != "deprecated"]
    heads = [name.replace("_", " ").replace("sigterm", "SIGTERM") for name in fields]
    lines = [f"| engine | {' | '.join(heads)} |", "|---" * (len(fields) + 1) + "|"]
    for engine, profile in engine_profiles().items():
        name = f"{engine} ({profile.deprecated})" if profile.deprecated else engine
        lines.append(f"| {name} | {' | '.join(getattr(profile, field) for field in fields)} |")
    return "\n".join(lines) + "\n"


def _advice(engine: str, situation: Situation) -> Advice:
    holding = {name for name, holds in _CRITERIA.items() if holds(situation)}
    barred = [
        _text(r, situation) for r in _data()["excluded"] if r["engine"] == engine and r["when"] in holding
    ]
    rows = [row for row in _data()["points"] if row["engine"] == engine and row["when"] in holding]
    return Advice(
        engine=engine,
        suited=not barred,
        points=sum(row["points"] for row in rows),
        reasons=tuple(_text(row, situation) for row in rows if row["points"] > 0),
        against=(*barred, *(_text(row, situation) for row in rows if row["points"] < 0)),
        deprecated=engine_profiles()[engine].deprecated,
    )


def _text(row: Mapping[str, Any], situation: Situation) -> str:
    return str(row["reason"]).format(users=situation.users)


def _number(name: str) -> float:
    return float(_data()["numbers"][name])


def _capability(situation: Situation) -> tuple[int, ...] | None:
    if situation.chip is None:
        return None
    return tuple(int(part) for part in chips()[situation.chip].compute_capability.split("."))


def _below_capability_8(situation: Situation) -> bool:
    capability = _capability(situation)
    return capability is not None and capability < (8, 0)


def _few_users_small(situation: Situation) -> bool:
    return situation.users <= _number("few_users") and situation.size_gb <= _number("small_weights_gb")


def _some_users_hub(situation: Situation) -> bool:
    return situation.users >= _number("some_users") and situation.ecosystem == "hugging-face"


_CRITERIA: Mapping[str, Callable[[Situation], bool]] = {
    "always": lambda _: True,
    "few_users_small": _few_users_small,
    "some_users": lambda s: s.users >= _number("some_users"),
    "some_users_hub": _some_users_hub,
    "many_users": lambda s: s.users >= _number("many_users"),
    "no_gpu": lambda s: s.chip is None,
    "below_capability_8": _below_capability_8,
    "gguf": lambda s: s.gguf,
    "hugging_face": lambda s: s.ecosystem == "hugging-face",
    "nvidia": lambda s: s.ecosystem == "nvidia",
    "local": lambda s: s.place == "local",
    "production": lambda s: s.place == "production",
    "throughput": lambda s: s.first == "throughput",
    "latency": lambda s: s.first == "latency",
    "cost": lambda s: s.first == "cost",
    "ease": lambda s: s.first == "ease",
    "streaming": lambda s: s.streaming,
    "many_models": lambda s: s.many_models,
    "current_preset": lambda s: s.preset == "current",
}


def _data() -> dict[str, Any]:
    data: dict[str, Any] = data_file("engine_advice.yaml")
    return data
