"""One-machine forms: golden files per engine, and what holds for any version."""

import shlex
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.engines import adapter
from components.spec import EngineName, SecretKey, VersionSpec
from one_machine.compose import compose, compose_text, nginx_spec
from one_machine.docker_run import docker_run, shell_text
from one_machine.machine import Machine, health_command, passed_names
from one_machine.nginx import PATHS, NginxSpec, nginx_conf
from tests.snapshot import assert_snapshot
from tests.unit.strategies import ENGINES, engine_spec, version_spec, version_specs

TOKEN = SecretKey(name="model-token-hf-token", key="token")
MODELS = {"ollama": "qwen3:4b", "vllm": "s3://bucket/weights"}


def machine(engine: EngineName = "vllm", **fields: Any) -> Machine:
    """A plain machine; what is no field of it is one of its engine's spec."""
    own = {name: fields.pop(name) for name in tuple(fields) if name in Machine.model_fields}
    spec = engine_spec(engine, max_model_len=8192, **({"model": MODELS.get(engine, "org/model")} | fields))
    plain = {"version": version_spec(spec, model_token=TOKEN), "replicas": 1, "port": 8080, "publish": False}
    return Machine(**(plain | {"longest_stream_seconds": 300} | own))


def services(which: Machine) -> dict[str, Any]:
    found: dict[str, Any] = compose(which)["services"]
    return found


def devices(service: dict[str, Any]) -> list[str]:
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    return device["device_ids"]  # type: ignore[no-any-return]


def words(which: Machine) -> list[str]:
    """The last command as Docker gets it."""
    return [word for line in docker_run(which)[-1] for word in line]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_compose_file_is_the_golden_one_and_yaml_of_what_was_meant(engine: EngineName) -> None:
    which = machine(engine, replicas=2)
    text = compose_text(which, "llmserve compose chat")
    assert yaml.safe_load(text) == compose(which)
    assert_snapshot(f"one_machine/{engine}.compose.yaml", text)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "tensorrt-llm"])
def test_the_docker_run_is_the_golden_one_and_a_shell_reads_what_was_meant(engine: EngineName) -> None:
    text = shell_text(docker_run(machine(engine)))
    meant = [[word for line in command for word in line] for command in docker_run(machine(engine))]
    assert [shlex.split(command.replace("\\\n", "")) for command in text.split("&&\n")] == meant
    assert_snapshot(f"one_machine/{engine}.docker-run.txt", text + "\n")


def test_what_needs_a_file_has_no_command_line_and_is_told_what_has() -> None:
    with pytest.raises(ValueError, match=r"tensorrt-llm reads a config file.*; use llmserve compose"):
        docker_run(machine("tensorrt-llm"))
    engine = services(machine("tensorrt-llm"))["engine-0"]
    assert engine["configs"] == [{"source": "engine-file-0", "target": "/etc/engine/config.yaml"}]


@given(spec=version_specs())
def test_an_engine_gets_the_argv_and_environment_of_its_pod(spec: VersionSpec) -> None:
    which = machine(version=spec)
    container = adapter(spec.engine.engine).container(spec.engine)
    engine = services(which)["engine-0"]
    undoubled = [word.replace("$$", "$") for word in engine.get("entrypoint", []) + engine["command"]]
    assert undoubled == [*(container.command or ()), *container.args]
    assert (
        container.env.items()
        <= {name: value and value.replace("$$", "$") for name, value in engine["environment"].items()}.items()
    )
    if not container.config_files:
        run = words(which)
        after = run[run.index(container.image) + 1 :]
        assert after == [*(container.command or ())[1:], *container.args]
        assert {f"{name}={value}" for name, value in container.env.items()} <= set(run)


def test_two_replicas_on_one_machine_of_eight_gpus_share_none() -> None:
    found = services(machine(replicas=2, tensor_parallel=4))
    assert [devices(found["engine-0"]), devices(found["engine-1"])] == [list("0123"), list("4567")]


@given(replicas=st.integers(1, 8), gpus=st.integers(1, 8))
def test_no_gpu_is_given_twice(replicas: int, gpus: int) -> None:
    found = services(machine(replicas=replicas, tensor_parallel=gpus))
    given_out = [gpu for name, one in found.items() if name.startswith("engine-") for gpu in devices(one)]
    assert sorted(map(int, given_out)) == list(range(replicas * gpus))


def test_a_version_without_gpus_reserves_none() -> None:
    spec = version_spec(engine_spec("ollama"))
    bare = spec.model_copy(update={"resources": spec.resources.model_copy(update={"gpus": 0})})
    assert "deploy" not in services(machine(version=bare))["engine-0"]
    assert "--gpus" not in words(machine(version=bare))


def test_a_dollar_reaches_the_engine_as_it_is() -> None:
    which = machine(env={"PRICE": "$5 ${HOME}"}, flags={"chat-template": "{{ $x }}'\""})
    engine = services(which)["engine-0"]
    assert engine["environment"]["PRICE"] == "$$5 $${HOME}"
    assert engine["command"][-1] == "{{ $$x }}'\""
    assert "$http_x_request_id" in nginx_conf(nginx_spec(which))
    single = [part for part in compose(which)["configs"]["nginx"]["content"].split("$$") if "$" in part]
    assert single == []
    assert "--env 'PRICE=$5 ${HOME}'" in shell_text(docker_run(which))


def test_a_token_is_named_and_never_written() -> None:
    which = machine(model="org/model")
    assert passed_names(which) == ("HF_TOKEN",)
    assert services(which)["engine-0"]["environment"]["HF_TOKEN"] is None
    run = words(which)
    assert run[run.index("HF_TOKEN") - 1] == "--env"
    assert passed_names(machine(version=version_spec())) == ()
    assert passed_names(machine("ollama")) == (), "it takes none"
    assert "AWS_SESSION_TOKEN" in passed_names(machine(model="s3://bucket/weights"))


@pytest.mark.parametrize(("publish", "address"), [(False, "127.0.0.1:9000"), (True, "9000")])
def test_only_the_machine_itself_reaches_the_port_unless_said_otherwise(publish: bool, address: str) -> None:
    which = machine(port=9000, publish=publish)
    assert services(which)["nginx"]["ports"] == [f"{address}:8080"]
    assert "ports" not in services(which)["engine-0"], "engines are reached through nginx only"
    run = words(which)
    assert run[run.index("--publish") + 1] == f"{address}:8000"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_health_check_waits_for_the_model_and_has_a_program_in_the_image(engine: EngineName) -> None:
    which = machine(engine)
    check = services(which)["engine-0"]["healthcheck"]
    assert check["test"] == ["CMD", *health_command(which)]
    assert (check["interval"], check["retries"], check["start_period"]) == ("30s", 3, "900s")
    if engine == "ollama":
        assert health_command(which) == ("ollama", "run", "qwen3:4b", "")
        assert check["timeout"] == "300s"
    else:
        assert health_command(which)[0] == "python3"
        compile(health_command(which)[2], "health", "exec")
        assert check["timeout"] == "10s"


def test_nginx_starts_after_the_engines_and_stops_before_them_with_time_to_drain() -> None:
    found = services(machine(replicas=2, drain_seconds=45))
    healthy = {"condition": "service_healthy"}
    assert found["nginx"]["depends_on"] == {"engine-0": healthy, "engine-1": healthy}
    assert found["nginx"]["stop_signal"] == "SIGQUIT"
    assert found["nginx"]["stop_grace_period"] == found["engine-0"]["stop_grace_period"] == "60s"


def test_ollama_pulls_its_weights_before_it_starts() -> None:
    found = services(machine("ollama"))
    assert "ollama pull qwen3:4b" in found["weights"]["command"][-1]
    assert found["weights"]["restart"] == "no"
    assert "deploy" not in found["weights"]
    assert found["engine-0"]["depends_on"] == {"weights": {"condition": "service_completed_successfully"}}
    first, second = docker_run(machine("ollama"))
    assert ("--name", "chat-v1-weights") in first
    assert ("--volume", "chat-v1-cache:/cache") in first
    assert ("--volume", "chat-v1-cache:/cache") in second


def test_nginx_passes_on_four_paths_only_and_waits_as_long_as_a_stream_may_take() -> None:
    text = nginx_conf(nginx_spec(machine(longest_stream_seconds=77)))
    passed = [line.split()[2] for line in text.splitlines() if "proxy_pass http://engines" in line]
    assert tuple(passed) == PATHS
    assert "proxy_read_timeout 77s;" in text
    assert "server engine-0:8000 resolve" in text, "a restarted container has another address"


def test_addresses_are_not_looked_up_and_an_engine_without_metrics_has_no_path_for_them() -> None:
    spec = NginxSpec(
        listen="127.0.0.1:1",
        engines=("127.0.0.1:2",),
        metrics_path=None,
        longest_stream_seconds=1,
        resolver=None,
    )
    text = nginx_conf(spec)
    assert "resolve" not in text
    assert "/metrics" not in text
    assert nginx_spec(machine("ollama")).metrics_path is None


def test_nginx_asks_for_metrics_where_the_engine_has_them() -> None:
    text = nginx_conf(nginx_spec(machine("tensorrt-llm", replicas=2)))
    assert (
        "location = /metrics/1 { allow 127.0.0.1; deny all; proxy_pass http://metrics_1/prometheus/metrics; }"
        in text
    )
