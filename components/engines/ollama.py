"""Ollama: GGUF weights by tag, configured by environment only."""

import shlex
from collections.abc import Mapping
from typing import ClassVar

from components.engines.base import (
    ALL_INTERFACES,
    CACHE_PATH,
    Adapter,
    EngineContainer,
    EngineMetrics,
    Probe,
    image,
)
from components.engines.table import release
from components.spec import EngineSpec
from planner.finding import Finding, error

_PORT = 11434
_LOAD_TIMEOUT_SECONDS = 300
"""OLLAMA_LOAD_TIMEOUT's default: a load that stalls for longer is given up by the server itself."""


class Ollama(Adapter):
    """Facts: facts.md §9. It has no metrics, takes no token, and stops at once on SIGTERM.

    An init container pulls the tag into the cache volume, with a server of its own since `pull` needs one.
    The startup probe loads the model into memory (`ollama run` with an empty prompt, docs/faq.mdx), where
    keep-alive -1 holds it.
    """

    engine = "ollama"
    env_prefix = "OLLAMA_"
    metrics = EngineMetrics()
    fields: ClassVar[Mapping[str, str]] = {
        "max_model_len": "OLLAMA_CONTEXT_LENGTH",
        "max_num_seqs": "OLLAMA_NUM_PARALLEL",
        "kv_cache_dtype": "OLLAMA_KV_CACHE_TYPE",
    }
    special_fields: ClassVar[Mapping[str, str]] = {"tensor_parallel": "OLLAMA_SCHED_SPREAD"}
    fixed = frozenset(
        {
            "HOME",
            "OLLAMA_HOST",
            "OLLAMA_KEEP_ALIVE",
            "OLLAMA_LOAD_TIMEOUT",
            "OLLAMA_MAX_LOADED_MODELS",
            "OLLAMA_MODELS",
            "OLLAMA_NO_CLOUD",
        }
    )

    def api_model(self, spec: EngineSpec) -> str:
        """Ollama answers to the tag it pulled."""
        return spec.model

    def container(self, spec: EngineSpec) -> EngineContainer:
        """Render `ollama serve` and the init container's pull."""
        known = release("ollama", spec.engine_version)
        quantised_cache = spec.kv_cache_dtype not in (None, "f16")
        alive = Probe(path="/api/version")
        return EngineContainer(
            image=image(spec, known),
            command=("ollama",),
            args=("serve",),
            env={
                "HOME": CACHE_PATH,
                "OLLAMA_HOST": f"{ALL_INTERFACES}:{_PORT}",
                "OLLAMA_KEEP_ALIVE": "-1",
                "OLLAMA_MAX_LOADED_MODELS": "1",
                "OLLAMA_MODELS": f"{CACHE_PATH}/models",
                "OLLAMA_NO_CLOUD": "1",
                **{name: str(value) for name, value in self.copied_fields(spec).items()},
                **({"OLLAMA_FLASH_ATTENTION": "1"} if quantised_cache else {}),  # which that cache needs
                **({"OLLAMA_SCHED_SPREAD": "1"} if spec.gpus > 1 else {}),
                **spec.env,
            },
            port=_PORT,
            startup=Probe(command=("ollama", "run", spec.model, ""), timeout_seconds=_LOAD_TIMEOUT_SECONDS),
            readiness=alive,
            liveness=alive,
            metrics_path=None,
            token_env=None,
            drains=False,
            needs_shm=False,
            init_command=("sh", "-c", _pull(spec.model)),
            user_id=1000,  # the image runs as root by default; that this works is UNVERIFIED
            group_id=1000,
            read_only_root=True,
        )

    def own_findings(self, spec: EngineSpec, path: str) -> list[Finding]:
        """Weights Ollama cannot read."""
        if not spec.model.startswith("s3://"):
            return []
        return [error(f"{path}.model", "ollama cannot read s3://", "name an Ollama tag")]


def _pull(tag: str) -> str:
    """Shell text: start a server, wait for it, pull, stop it; ends with the result of the pull."""
    return (
        "ollama serve & server=$!; "
        "until ollama list >/dev/null 2>&1; do kill -0 $server || exit 1; sleep 1; done; "
        f"ollama pull {shlex.quote(tag)}; result=$?; kill $server; wait $server; exit $result"
    )
