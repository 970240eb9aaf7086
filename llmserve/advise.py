"""`llmserve advise`: which engine suits a situation."""

import json
from typing import Annotated, Literal, get_args

import typer
from pydantic import ValidationError
from rich.table import Table

from llmserve.output import AsJson, console, fail
from planner.catalogue import chips
from planner.engine_advice import Situation, engine_profiles, notes
from planner.engine_advice import advise as ranked
from planner.finding import nearest

Ecosystem = Literal["any", "hugging-face", "nvidia"]
Place = Literal["local", "production"]
First = Literal["throughput", "latency", "cost", "ease"]


def advise(
    users: Annotated[int, typer.Option(min=1, help="Requests at the same time.")] = 10,
    model_size: Annotated[float, typer.Option(min=0.01, help="Parameters of the model, billions.")] = 8.0,
    gpu: Annotated[str | None, typer.Option(help="GPU chip, as in L4; default: no NVIDIA GPU.")] = None,
    gpu_memory: Annotated[float | None, typer.Option(min=0.1, help="GiB of all GPUs together.")] = None,
    ecosystem: Annotated[str, typer.Option(help="any, hugging-face or nvidia.")] = "any",
    place: Annotated[str, typer.Option(help="local or production.")] = "production",
    first: Annotated[
        str, typer.Option(help="What counts most: throughput, latency, cost or ease.")
    ] = "throughput",
    streaming: Annotated[bool, typer.Option(help="Answers are streamed.")] = True,
    many_models: Annotated[bool, typer.Option(help="Many models, changing often.")] = False,
    gguf: Annotated[bool, typer.Option(help="The weights are GGUF files.")] = False,
    textbook: Annotated[
        bool, typer.Option(help="The source documents' choices, which know of no deprecation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank the engines for a situation, with reasons and a comparison."""
    for option, word, known in (
        ("--ecosystem", ecosystem, get_args(Ecosystem)),
        ("--place", place, get_args(Place)),
        ("--first", first, get_args(First)),
    ):
        if word not in known:
            raise fail(f"{option} {word!r} is not known; {nearest(word, known)}")
    if gpu is not None and gpu not in chips():
        by_case = {name.lower(): name for name in chips()}
        if gpu.lower() not in by_case:
            raise fail(f"--gpu {gpu!r} is not a chip of the catalogue; {nearest(gpu, chips())}")
        gpu = by_case[gpu.lower()]
    try:
        situation = Situation.model_validate(
            {
                "users": users,
                "parameters_billion": model_size,
                "chip": gpu,
                "gpu_memory_gib": gpu_memory,
                "ecosystem": ecosystem,
                "place": place,
                "first": first,
                "streaming": streaming,
                "many_models": many_models,
                "gguf": gguf,
                "preset": "textbook" if textbook else "current",
            }
        )
    except ValidationError as wrong:
        raise fail("; ".join(str(detail["msg"]) for detail in wrong.errors())) from None
    advice, said = ranked(situation), notes(situation)
    if as_json:
        print(json.dumps({"engines": [one.model_dump() for one in advice], "notes": said}, indent=1))
        return
    table = Table("engine", "points", "for", "against", title="engines, best first", show_lines=True)
    for one in advice:
        against = [*one.against, *([f"deprecated: {one.deprecated}"] if one.deprecated else [])]
        points = str(one.points) if one.suited else "not usable"
        table.add_row(one.engine, points, "; ".join(one.reasons), "; ".join(against))
    console.print(table, highlight=False)
    fields = ("position", "throughput", "latency", "ease", "after_sigterm")
    heads = (field.replace("_sigterm", " SIGTERM") for field in fields)
    compared = Table("engine", *heads, title="comparison")
    for engine, profile in engine_profiles().items():
        compared.add_row(engine, *(getattr(profile, field) for field in fields))
    console.print(compared, highlight=False)
    for line in said:
        console.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)
