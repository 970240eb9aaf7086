"""Engine adapters: one file per engine, with the flag table of its releases beside it. Pure."""

from collections.abc import Mapping
from typing import Any

from components.engines.base import Adapter
from components.engines.ollama import Ollama
from components.engines.sglang import Sglang
from components.engines.table import table
from components.engines.tensorrt_llm import TensorrtLlm
from components.engines.tgi import Tgi
from components.engines.vllm import Vllm
from components.spec import EngineName
from planner.data_files import package_file

_ADAPTERS: Mapping[EngineName, Adapter] = {
    "vllm": Vllm(),
    "tgi": Tgi(),
    "ollama": Ollama(),
    "sglang": Sglang(),
    "tensorrt-llm": TensorrtLlm(),
}


def adapter(engine: EngineName) -> Adapter:
    """The adapter of an engine."""
    return _ADAPTERS[engine]


def default_version(engine: EngineName) -> str:
    """The release llmserve was tested with, without `v`."""
    return table(engine).default


def engine_preset(engine: EngineName, name: str) -> dict[str, Any]:
    """EngineSpec fields of a preset: `basic`, `production` or `quantized`; sources in presets.yaml."""
    return dict(_presets()[engine][name])


def _presets() -> dict[str, dict[str, dict[str, Any]]]:
    data: dict[str, dict[str, dict[str, Any]]] = package_file("components.engines", "presets.yaml")
    return data
