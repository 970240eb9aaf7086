"""The simulated engines take exactly the command lines that our adapters render."""

import re
from dataclasses import fields

import pytest
from hypothesis import given

from components.engines import adapter, default_version, engine_preset
from components.engines.table import table
from components.spec import EngineName, EngineSpec
from local.errors import LocalError
from local.sim import ollama_server, sglang, tensorrt_llm, tgi, vllm
from local.sim.flags import CommandLine, UsageError, complaint, parse, release
from local.sim.options import SimOptions, options_from_env
from local.sim.server import loopback
from tests.stack_files import ROOT
from tests.unit.strategies import ENGINES, engine_spec, engine_specs

MODULES = {"vllm": vllm, "tgi": tgi, "sglang": sglang, "tensorrt-llm": tensorrt_llm, "ollama": ollama_server}
BIND = {"LOCAL_BIND": "127.0.0.1"}


def argv(spec: EngineSpec) -> list[str]:
    """What the process gets after its program's name."""
    container = adapter(spec.engine).container(spec)
    return [*(container.command or ("entrypoint",))[1:], *container.args]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_flag_tables_are_read_as_the_adapters_read_them(engine: EngineName) -> None:
    for version, known in table(engine).versions.items():
        ours = release(engine.replace("-", "_"), version)
        assert ours.kinds == known.flags
        assert ours.aliases == known.aliases


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("preset", ["basic", "production", "quantized"])
def test_every_preset_starts(engine: EngineName, preset: str) -> None:
    spec = engine_spec(engine, **engine_preset(engine, preset))
    container = adapter(engine).container(spec)
    given_argv = [word for word in argv(spec) if not word.endswith(".yaml") and word != "--config"]
    program = MODULES[engine].make(given_argv, {**container.env, **BIND})

    assert (program.host, program.port) == ("127.0.0.1", container.port)
    assert default_version(engine) in program.title


@given(spec=engine_specs())
def test_everything_an_adapter_renders_is_understood(spec: EngineSpec) -> None:
    if spec.engine == "ollama":
        assert argv(spec) == ["serve"]
        return
    module = MODULES[spec.engine]
    words = argv(spec)
    words = words[1:] if words[0] == "serve" else words
    arguments = parse(module.LINE, release(spec.engine.replace("-", "_"), spec.engine_version), words)

    assert arguments.text("port") == str(adapter(spec.engine).container(spec).port)
    for flag, value in spec.flags.items():
        expected = arguments.on(flag) if isinstance(value, bool) else arguments.text(flag)
        if value is True and arguments.text(flag) == "":  # a flag with an optional value, and none given
            continue
        assert expected == (value if isinstance(value, bool) else str(value))


VLLM = release("vllm", None)


@pytest.mark.parametrize(
    ("words", "flag", "value"),
    [
        (["m", "--max-model-len", "8192"], "max-model-len", 8192),
        (["m", "--max_model_len=8k"], "max-model-len", 8000),
        (["m", "--max-model-len", "8K"], "max-model-len", 8192),
        (["m"], "max-model-len", None),
    ],
)
def test_vllm_spells_numbers_and_flags_in_several_ways(
    words: list[str], flag: str, value: int | None
) -> None:
    assert parse(vllm.LINE, VLLM, words).number(flag) == value


def test_vllm_takes_one_key_of_a_json_flag() -> None:
    arguments = parse(vllm.LINE, VLLM, ["m", "--compilation-config.mode", "3", "--port", "9000"])

    assert (arguments.text("compilation-config"), arguments.number("port")) == ("3", 9000)


def test_a_switch_can_be_turned_off_and_an_alias_counts() -> None:
    words = ["m", "--no-enable-prefix-caching", "--device-memory-utilization", "0.8"]
    arguments = parse(vllm.LINE, VLLM, words)

    assert not arguments.on("enable-prefix-caching")
    assert arguments.text("gpu-memory-utilization") == "0.8"


def test_flags_are_not_guessed_from_their_beginning() -> None:
    with pytest.raises(UsageError, match="unrecognized arguments: --max-model 1"):
        parse(vllm.LINE, VLLM, ["m", "--max-model", "1"])


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("argparse", "usage: x [options]\nx: error: bad"),
        ("clap", "error: bad\n\nUsage: x [options]\n\nFor more information, try '--help'."),
        ("click", "Usage: x [options]\nTry 'x --help' for help.\n\nError: bad"),
    ],
)
def test_each_library_complains_in_its_own_form(style: str, text: str) -> None:
    line = CommandLine(program="x", usage="x [options]", style=style)  # type: ignore[arg-type]

    assert complaint(line, "bad") == text


@pytest.mark.parametrize(
    ("host", "bind", "bound"),
    [
        ("0.0.0.0", "127.18.0.3", "127.18.0.3"),
        ("", "127.0.0.1", "127.0.0.1"),
        ("::", "::1", "::1"),
        ("127.0.0.2", "127.0.0.1", "127.0.0.2"),
        ("localhost", "", "localhost"),
    ],
)
def test_only_loopback_is_bound(host: str, bind: str, bound: str) -> None:
    assert loopback(host, {"LOCAL_BIND": bind}) == bound


@pytest.mark.parametrize(
    ("host", "bind"),
    [("0.0.0.0", ""), ("::", "10.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("pod", "")],
)
def test_anything_else_is_refused(host: str, bind: str) -> None:
    with pytest.raises(LocalError, match="loopback only"):
        loopback(host, {"LOCAL_BIND": bind})


def test_options_are_read_by_name_and_others_left_alone() -> None:
    env = {"SIM_TPOT_SECONDS": "0.1", "SIM_SEED": "3", "SIM_ERROR_STATUS": "429", "HOME": "x"}

    assert options_from_env(env) == SimOptions(tpot_seconds=0.1, seed=3, error_status=429)
    assert options_from_env({}) == SimOptions()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SIM_TTFT", "1", "SIM_TTFT: no such option; did you mean SIM_TTFT_SECONDS?"),
        ("SIM_ERROR_RATE", "2", "SIM_ERROR_RATE: 2 is above 1; it is a share"),
        ("SIM_TPOT_SLOPE", "-1", "SIM_TPOT_SLOPE: -1 is below 0"),
        ("SIM_LOAD_SECONDS", "soon", "SIM_LOAD_SECONDS: 'soon' is not a number"),
        ("SIM_ERROR_STATUS", "200", "SIM_ERROR_STATUS: 200 is no error; give 400 to 599"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(name: str, value: str, words: str) -> None:
    with pytest.raises(LocalError) as caught:
        options_from_env({name: value})

    assert str(caught.value) == words


def test_the_manual_names_every_option() -> None:
    manual = (ROOT / "docs" / "simulated-engines.md").read_text("utf-8")

    assert set(re.findall(r"^\| `(SIM_\w+)` ", manual, re.MULTILINE)) == {
        f"SIM_{field.name.upper()}" for field in fields(SimOptions)
    }


def test_tgi_takes_host_and_port_from_the_environment_when_flags_are_absent() -> None:
    program = tgi.make(["--model-id", "m"], {"HOSTNAME": "127.0.0.9", "PORT": "8123"})

    assert (program.host, program.port) == ("127.0.0.9", 8123)
    with pytest.raises(UsageError, match="must be <"):
        tgi.make(["--model-id", "m", "--max-input-tokens", "9", "--max-total-tokens", "9"], BIND)
