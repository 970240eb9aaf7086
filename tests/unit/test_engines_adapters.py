"""What each adapter renders, to the word."""

import posixpath

import pytest
import yaml
from hypothesis import given

from components.engines import adapter
from components.engines.base import CACHE_PATH, TEMP_PATH, Probe
from components.engines.checks import engine_findings
from components.engines.table import release
from components.spec import EngineName, EngineSpec
from planner.finding import Severity
from tests.unit.strategies import ENGINES, engine_spec, engine_specs


def argv(spec: EngineSpec) -> str:
    container = adapter(spec.engine).container(spec)
    return " ".join((*(container.command or ()), *container.args))


def test_vllm_gets_the_model_first_then_our_flags_then_fields_then_free_flags() -> None:
    spec = engine_spec(
        "vllm",
        model="Qwen/Qwen3-8B",
        revision="abc",
        tensor_parallel=2,
        pipeline_parallel=2,
        max_model_len=8192,
        max_num_seqs=32,
        max_num_batched_tokens=2048,
        gpu_memory_utilization=0.9,
        quantization="awq",
        dtype="half",
        kv_cache_dtype="fp8",
        prefix_caching=True,
        chunked_prefill=False,
        flags={"enforce-eager": True, "async-scheduling": False, "max-num-queued-reqs": 64},
        drain_seconds=90,
    )
    assert argv(spec) == (
        "Qwen/Qwen3-8B --host 0.0.0.0 --port 8000 --served-model-name chat --shutdown-timeout 90 "
        "--disable-access-log-for-endpoints /health,/metrics --revision abc --tensor-parallel-size 2 "
        "--pipeline-parallel-size 2 --max-model-len 8192 --max-num-seqs 32 --max-num-batched-tokens 2048 "
        "--gpu-memory-utilization 0.9 --quantization awq --dtype half --kv-cache-dtype fp8 "
        "--enable-prefix-caching --no-enable-chunked-prefill --enforce-eager --no-async-scheduling "
        "--max-num-queued-reqs 64"
    )


def test_tgi_binds_a_port_that_needs_no_root_and_sends_no_usage() -> None:
    spec = engine_spec("tgi", max_input_tokens=4096, max_model_len=8192, max_num_seqs=64, tensor_parallel=2)
    assert argv(spec) == (
        "--model-id org/model --hostname 0.0.0.0 --port 8000 --graceful-termination-timeout 45 "
        "--usage-stats off --num-shard 2 --max-total-tokens 8192 --max-input-tokens 4096 --max-batch-size 64"
    )


def test_sglang_listens_on_all_addresses_and_measures_though_neither_is_its_default() -> None:
    spec = engine_spec("sglang", tensor_parallel=2, prefix_caching=False, chunked_prefill=False)
    assert argv(spec) == (
        "sglang serve --model-path org/model --host 0.0.0.0 --port 30000 --served-model-name chat "
        "--enable-metrics --uvicorn-access-log-exclude-prefixes /ready /health /metrics "
        "--disable-radix-cache --chunked-prefill-size -1 --tp-size 2"
    )
    on = argv(engine_spec("sglang", prefix_caching=True, chunked_prefill=True))
    assert "radix" not in on, "both are on by default"
    assert "chunked" not in on


def test_tensorrt_llm_keeps_all_cache_settings_in_its_config_file() -> None:
    spec = engine_spec(
        "tensorrt-llm",
        tensor_parallel=4,
        max_model_len=4096,
        kv_cache_dtype="fp8",
        prefix_caching=False,
        gpu_memory_utilization=0.85,
        chunked_prefill=True,
        dtype="bfloat16",
    )
    assert argv(spec) == (
        "trtllm-serve org/model --host 0.0.0.0 --port 8000 --backend pytorch "
        "--config /etc/engine/config.yaml --enable_chunked_prefill --tp_size 4 --max_seq_len 4096"
    )
    files = adapter("tensorrt-llm").container(spec).config_files
    assert {path: yaml.safe_load(text) for path, text in files.items()} == {
        "/etc/engine/config.yaml": {
            "enable_iter_perf_stats": True,
            "return_perf_metrics": True,
            "dtype": "bfloat16",
            "kv_cache_config": {
                "dtype": "fp8",
                "enable_block_reuse": False,
                "free_gpu_memory_fraction": 0.85,
            },
        }
    }


def test_ollama_is_configured_by_environment_and_pulls_before_it_serves() -> None:
    spec = engine_spec(
        "ollama",
        model="qwen3:4b",
        max_model_len=8192,
        max_num_seqs=4,
        kv_cache_dtype="q8_0",
        tensor_parallel=2,
    )
    container = adapter("ollama").container(spec)
    assert argv(spec) == "ollama serve"
    assert container.env == {
        "HOME": "/cache",
        "OLLAMA_CONTEXT_LENGTH": "8192",
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_HOST": "0.0.0.0:11434",
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_KV_CACHE_TYPE": "q8_0",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_MODELS": "/cache/models",
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_NUM_PARALLEL": "4",
        "OLLAMA_SCHED_SPREAD": "1",
    }
    assert container.init_command is not None
    assert container.init_command[:2] == ("sh", "-c")
    assert "ollama pull qwen3:4b;" in container.init_command[2]
    assert container.startup == Probe(command=("ollama", "run", "qwen3:4b", ""), timeout_seconds=300)


def test_ollama_never_lets_the_shell_read_a_tag() -> None:
    container = adapter("ollama").container(engine_spec("ollama", model="a; rm -rf x"))
    assert container.init_command is not None
    assert "ollama pull 'a; rm -rf x';" in container.init_command[2]


def test_vllm_starts_as_long_as_the_startup_probe_lets_it() -> None:
    env = adapter("vllm").container(engine_spec(env={"VLLM_LOGGING_LEVEL": "DEBUG"})).env
    assert env == {
        "HF_HOME": "/cache/huggingface",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_CACHE_ROOT": "/cache/vllm",
        "VLLM_ENGINE_READY_TIMEOUT_S": "86400",
        "VLLM_LOGGING_LEVEL": "DEBUG",
        "VLLM_NO_USAGE_STATS": "1",
    }


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_weights_in_s3_are_streamed_unless_the_user_says_how(engine: EngineName) -> None:
    assert "--load-format runai_streamer" in argv(engine_spec(engine, model="s3://bucket/weights/"))
    other = argv(engine_spec(engine, model="s3://bucket/weights/", flags={"load-format": "sharded_state"}))
    assert "runai_streamer" not in other
    assert "--load-format sharded_state" in other


def test_one_key_of_a_json_flag_gets_its_value_as_json() -> None:
    spec = engine_spec(flags={"compilation-config.level": 3, "kernel-config.enable_x": True})
    assert argv(spec).endswith("--compilation-config.level 3 --kernel-config.enable_x true")


def test_a_given_image_takes_the_place_of_the_official_one() -> None:
    assert adapter("vllm").container(engine_spec()).image == "vllm/vllm-openai:v0.33.0"
    assert adapter("vllm").container(engine_spec(image="mine:1")).image == "mine:1"


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        ("vllm", "chat"),
        ("tgi", "chat"),
        ("ollama", "org/model"),
        ("sglang", "chat"),
        ("tensorrt-llm", "org/model"),
    ],
)
def test_the_gateway_asks_by_the_name_the_engine_answers_to(engine: EngineName, name: str) -> None:
    assert adapter(engine).api_model(engine_spec(engine)) == name


@pytest.mark.parametrize(
    ("engine", "startup", "readiness", "liveness", "metrics"),
    [
        ("vllm", "/health", "/health", "/health", "/metrics"),
        ("tgi", "/health", "/health", "/health", "/metrics"),
        ("ollama", None, "/api/version", "/api/version", None),
        ("sglang", "/ready", "/ready", "/health", "/metrics"),
        ("tensorrt-llm", "/health", "/health", "/health", "/prometheus/metrics"),
    ],
)
def test_probes_ask_where_the_engine_tells(
    engine: EngineName, startup: str | None, readiness: str, liveness: str, metrics: str | None
) -> None:
    container = adapter(engine).container(engine_spec(engine))
    asked = (container.startup.path, container.readiness.path, container.liveness.path)
    assert asked == (startup, readiness, liveness)
    assert container.metrics_path == metrics


def test_sglangs_liveness_waits_longer_than_its_own_check_may_take() -> None:
    assert adapter("sglang").container(engine_spec("sglang")).liveness.timeout_seconds > 20


@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_runs_as_root(engine: EngineName) -> None:
    assert adapter(engine).container(engine_spec(engine)).user_id > 0


def test_an_unknown_release_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"vllm 0\.1\.0 is not known; known: 0\.33\.0, 0\.28\.0, 0\.21\.0"):
        adapter("vllm").container(engine_spec(engine_version="0.1.0"))


@given(spec=engine_specs())
def test_every_flag_we_write_is_one_the_release_knows(spec: EngineSpec) -> None:
    known = release(spec.engine, spec.engine_version)
    container = adapter(spec.engine).container(spec)
    written = [arg.removeprefix("--") for arg in container.args if arg.startswith("--")]
    for flag in written:
        assert flag in known.flags or known.flags.get(flag.removeprefix("no-")) == "switch", flag
    prefix = adapter(spec.engine).env_prefix
    for name in container.env:
        assert prefix is None or not name.startswith(prefix) or name in known.flags, name


@given(spec=engine_specs())
def test_a_valid_spec_has_no_error_and_a_flag_stands_once(spec: EngineSpec) -> None:
    findings = engine_findings(adapter(spec.engine), spec, "p")
    assert [f for f in findings if f.severity is Severity.ERROR] == []
    args = adapter(spec.engine).container(spec).args
    written = [arg.removeprefix("--").removeprefix("no-") for arg in args if arg.startswith("--")]
    assert len(written) == len(set(written)), written


@given(spec=engine_specs())
def test_an_engine_writes_only_where_a_volume_is(spec: EngineSpec) -> None:
    container = adapter(spec.engine).container(spec)
    paths = [v for k, v in container.env.items() if v.startswith("/") and k not in spec.env]
    assert all(path.startswith((CACHE_PATH, TEMP_PATH)) for path in paths), paths
    assert len({posixpath.dirname(path) for path in container.config_files}) <= 1, "one folder is mounted"
