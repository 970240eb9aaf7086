"""`llmserve plan`: one model on every GPU type that fits."""

import json
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.table import Table

from components.engines import default_version
from components.spec import EngineName
from infra.presets import presets
from infra.stack_reader import read_config_json
from llmserve.figures_view import number
from llmserve.output import AsJson, console, fail
from planner.catalogue import catalogue
from planner.estimate import Estimate
from planner.finding import nearest
from planner.memory import explain, launch_request
from planner.model_config import checked_model
from planner.model_plan import Option, model_options
from planner.models import find_model, model_catalogue


def plan(
    model: Annotated[str, typer.Argument(help="Hugging Face repository or Ollama tag, as in Qwen/Qwen3-8B.")],
    engine: Annotated[str, typer.Option(help="vllm, tgi, sglang, tensorrt-llm or ollama.")] = "vllm",
    max_model_len: Annotated[
        int | None, typer.Option(min=1, help="Longest prompt plus answer; default: the model's own.")
    ] = None,
    max_num_seqs: Annotated[int | None, typer.Option(min=1, help="Requests worked on at once.")] = None,
    kv_cache_dtype: Annotated[str | None, typer.Option(help="As in fp8.")] = None,
    quantization: Annotated[str | None, typer.Option(help="Format of the weights, as in awq.")] = None,
    config_json: Annotated[
        Path | None, typer.Option(help="The config.json of a model that is not in the catalogue.")
    ] = None,
    weights_gib: Annotated[float | None, typer.Option(min=0.01, help="Size of all weights.")] = None,
    input_tokens: Annotated[int | None, typer.Option(min=1, help="Prompt of the mean request.")] = None,
    output_tokens: Annotated[int | None, typer.Option(min=1, help="Answer of the mean request.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one model on every EC2 GPU type that holds it, cheapest first.

    Memory is predicted for vLLM; for the others it is too close to call. Exits with 1 if it fits nowhere.
    """
    if engine not in get_args(EngineName):
        raise fail(f"{engine!r} is not an engine; {nearest(engine, get_args(EngineName))}")
    facts = None
    if config_json is not None:
        content, problem = read_config_json(config_json)
        try:
            facts = None if problem else checked_model(content, model)
        except ValueError as wrong:
            problem = str(wrong)
        if problem:
            raise fail(f"{config_json} {problem}")
    elif find_model(model) is None and weights_gib is None:
        known = {name.rsplit("/", 1)[-1].lower(): name for name in model_catalogue()}
        close = nearest(model.rsplit("/", 1)[-1].lower(), known)
        hint = f" did you mean {known[close[13:-1]]}?" if close.startswith("did you mean ") else ""
        raise fail(f"{model!r} is not in the catalogue;{hint} else give --config-json, or --weights-gib")
    request = launch_request(
        engine=engine,
        engine_version=default_version(engine),  # type: ignore[arg-type]  # checked above
        model=model,
        instance=catalogue()["g6.xlarge"],  # any; all types are tried
        facts=facts,
        quantization=quantization,
        max_model_len=max_model_len,
        max_num_seqs=max_num_seqs,
        kv_cache_dtype=kv_cache_dtype,
        weights_gib=weights_gib,
    )
    assert request is not None  # noqa: S101 - the type above has a GPU
    assumed = presets()["estimates"]
    tokens_in, tokens_out = input_tokens or assumed["input_tokens"], output_tokens or assumed["output_tokens"]
    options = model_options(request, input_tokens=tokens_in, output_tokens=tokens_out)
    held = [option for option in options if option.memory.verdict != "does_not_fit"]
    if as_json:
        print(json.dumps([option.model_dump(mode="json") for option in options], indent=1))
    elif held:
        console.print(_table(model, held, f"{tokens_in} in, {tokens_out} out"), highlight=False)
        console.print(f"{len(options) - len(held)} further types do not hold it", highlight=False)
    else:
        largest = max(options, key=lambda option: option.memory.headroom_gib or -1e9)
        raise fail(
            f"{model} fits no GPU type; nearest: {largest.gpus} of {largest.instance_type}: "
            f"{explain(largest.memory)}"
        )
    raise typer.Exit(0 if held else 1)


def _table(model: str, options: list[Option], tokens: str) -> Table:
    table = Table(title=f"{model}: {_limits(options)}", box=None, padding=(0, 1, 0, 0))
    table.add_column("type", no_wrap=True)
    for heading in ("GPUs", "USD/h", "fits", "KV tokens", "at once", "start s", "tokens/s", "USD/M"):
        table.add_column(heading, justify="right", no_wrap=True)
    for option in options:
        found = option.memory
        table.add_row(
            option.instance_type,
            f"{option.gpus}/{option.gpus_per_node}",
            number(option.usd_per_hour, 2),
            "yes" if found.verdict == "fits" else "?",
            number(found.kv_cache_tokens, 0),
            number(found.max_concurrency, 1),
            _likely(option.new_node_seconds, 0),
            _likely(option.output_tokens_per_second, 0),
            _likely(option.usd_per_million_output, 2),
        )
    table.caption = (
        "USD/h: the replica's share of the node, us-east-1 list price; at once: requests of max_model_len; "
        f"start: on a new node, weights from the hub; tokens/s: of one replica with requests of {tokens}; "
        "USD/M: per million output tokens, fully used; ?: too close to call, or not known. "
        "Likely values of estimates: --json has the ranges"
    )
    return table


def _limits(options: list[Option]) -> str:
    """Limits with the engine's defaults, which differ by GPU."""
    lengths = {option.memory.max_model_len for option in options}
    seqs = sorted({option.memory.max_num_seqs for option in options if option.memory.max_num_seqs})
    length = next(iter(lengths)) if len(lengths) == 1 else None
    return f"max_model_len {length or '?'}, max_num_seqs {' or '.join(map(str, seqs)) or '?'}"


def _likely(value: Estimate | None, digits: int) -> str:
    return number(value.likely if value else None, digits)
