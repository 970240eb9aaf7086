"""Hypothesis strategies of valid specs, and plain ones to change in a test."""

from typing import Any, get_args

from hypothesis import strategies as st

from components import naming
from components.engines import adapter, checks, default_version
from components.engines.table import FlagKind, Release, table
from components.serving.scaling import scaling_spec
from components.spec import (
    CacheVolume,
    EngineName,
    EngineSpec,
    FlagValue,
    Resources,
    RouterSpec,
    ScalingSpec,
    SecretKey,
    VersionSpec,
)

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_NAME = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_WORD = st.from_regex(r"[A-Za-z0-9_/]{1,12}", fullmatch=True)
_VALUES: dict[FlagKind, st.SearchStrategy[FlagValue]] = {
    "value": st.one_of(_WORD, st.integers(0, 10**6), st.floats(0.01, 1)),
    "switch": st.booleans(),
    "bare": st.just(True),
    "optional": st.one_of(st.just(True), _WORD),
}


def engine_spec(engine: EngineName = "vllm", **fields: Any) -> EngineSpec:
    """A plain spec of an engine's default release."""
    plain = {"engine_version": default_version(engine), "model": "org/model", "served_name": "chat"}
    return EngineSpec(engine=engine, **(plain | fields))


def version_spec(engine: EngineSpec | None = None, **fields: Any) -> VersionSpec:
    """A plain version of the model `chat`."""
    engine = engine or engine_spec()
    plain: dict[str, Any] = {
        "name": "chat-v1",
        "namespace": "llmserve",
        "model": "chat",
        "version": "v1",
        "engine": engine,
        "pool": "l4",
        "resources": Resources(
            cpu_millicores=6000, memory_mib=24576, memory_limit_mib=24576, gpus=engine.gpus
        ),
        "replicas": 2,
        "scaling": None,
        "cache": CacheVolume(),
        "shm_gib": 1,
        "model_token": None,
        "startup_seconds": 900,
        "node_seconds": 600,
        "prestop_seconds": 15,
        "margin_seconds": 15,
        "surge": True,
        "gateway_labels": naming.selector("gateway", "gateway"),
        "monitoring_namespace": "monitoring",
    }
    return VersionSpec(**(plain | fields))


def router_spec(**fields: Any) -> RouterSpec:
    """A plain router of a version."""
    plain: dict[str, Any] = {
        "image": "docker.io/vllm/vllm-router:v0.1.17",
        "policy": "cache_aware",
        "replicas": 2,
        "resources": Resources(cpu_millicores=500, memory_mib=512, memory_limit_mib=512),
        "prestop_seconds": 15,
        "longest_stream_seconds": 300,
        "margin_seconds": 15,
    }
    return RouterSpec(**(plain | fields))


@st.composite
def engine_specs(draw: st.DrawFn) -> EngineSpec:
    """Any engine, release, fields and flags without findings of severity error."""
    name = draw(st.sampled_from(ENGINES))
    version = draw(st.sampled_from(sorted(table(name).versions)))
    known = table(name).versions[version]
    fields = {f: draw(values) for f, values in _field_values(known).items() if _takes(name, f)}
    return EngineSpec(
        engine=name,
        engine_version=version,
        model=draw(st.sampled_from(("org/model", "qwen3:4b"))),
        served_name=draw(_NAME),
        flags=draw(_flags(name, known)),
        drain_seconds=draw(st.integers(0, 600)),
        **fields,
    )


@st.composite
def version_specs(draw: st.DrawFn) -> VersionSpec:
    """Any version whose name fits a workload's."""
    engine = draw(engine_specs())
    model, version = draw(_NAME), draw(_NAME)
    memory = draw(st.integers(4096, 10**6))
    scaling = draw(st.one_of(st.none(), scaling_specs(engine)))
    return version_spec(
        engine,
        name=naming.version_name(model, version),
        model=model,
        version=version,
        resources=Resources(
            cpu_millicores=draw(st.integers(100, 10**5)),
            memory_mib=memory,
            memory_limit_mib=memory,
            gpus=engine.gpus,
        ),
        replicas=draw(st.integers(1, 50)) if scaling is None else None,
        scaling=scaling,
        cache=draw(caches()),
        shm_gib=draw(st.integers(0, 3)),
        model_token=draw(st.sampled_from((None, SecretKey(name="model-token", key="token")))),
        startup_seconds=draw(st.integers(30, 86_400)),
        prestop_seconds=draw(st.integers(0, 60)),
        margin_seconds=draw(st.integers(0, 60)),
        surge=draw(st.booleans()),
    )


@st.composite
def scaling_specs(draw: st.DrawFn, engine: EngineSpec) -> ScalingSpec:
    """Any autoscaler the engine can have."""
    has_latency = adapter(engine.engine).metrics.tpot_histogram is not None
    least = draw(st.integers(1, 10))
    return scaling_spec(
        preset=draw(st.sampled_from(("textbook", "queue", "slo") if has_latency else ("textbook", "queue"))),
        engine=engine,
        min_replicas=least,
        max_replicas=least + draw(st.integers(0, 40)),
        via=draw(st.sampled_from(("hpa", "keda"))),
        targets=draw(st.sampled_from(({}, {"cpu_percent": 55.0}))),
        ttft_seconds=1.5,
        tpot_seconds=0.08,
        prometheus_url="http://prometheus.monitoring:9090",
    )


def caches() -> st.SearchStrategy[CacheVolume]:
    """Any cache volume."""
    size = st.integers(1, 2000)
    return st.one_of(
        st.builds(CacheVolume, kind=st.just("empty_dir"), size_gib=size),
        st.builds(CacheVolume, kind=st.just("host_path"), size_gib=size, host_path=st.just("/mnt/cache")),
        st.builds(CacheVolume, kind=st.just("pvc"), size_gib=size, storage_class=st.just("efs")),
    )


def _field_values(known: Release) -> dict[str, st.SearchStrategy[Any]]:
    optional = {
        "revision": _WORD,
        "max_model_len": st.integers(5000, 200_000),
        "max_input_tokens": st.integers(1, 4000),
        "max_num_seqs": st.integers(1, 2048),
        "max_num_batched_tokens": st.integers(1, 32768),
        "gpu_memory_utilization": st.floats(0.1, 1),
        "quantization": st.sampled_from(known.quantization or ("none",)),
        "dtype": st.sampled_from(known.dtype or ("none",)),
        "kv_cache_dtype": st.sampled_from(known.kv_cache_dtype or ("none",)),
        "prefix_caching": st.booleans(),
        "chunked_prefill": st.booleans(),
    }
    degrees = {"tensor_parallel": st.sampled_from((1, 2, 4, 8)), "pipeline_parallel": st.sampled_from((1, 2))}
    return {field: st.one_of(st.none(), values) for field, values in optional.items()} | degrees


def _takes(engine: EngineName, field: str) -> bool:
    return field in adapter(engine).fields or field in adapter(engine).special_fields


def _flags(engine: EngineName, known: Release) -> st.SearchStrategy[dict[str, FlagValue]]:
    if adapter(engine).env_prefix is not None:
        return st.just({})
    taken = {
        *adapter(engine).fields.values(),
        *adapter(engine).special_fields.values(),
        *adapter(engine).fixed,
    }
    free = sorted(flag for flag in set(known.flags) - taken if not checks.is_secret(flag))
    return st.lists(st.sampled_from(free), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: _VALUES[known.flags[name]] for name in names})
    )
