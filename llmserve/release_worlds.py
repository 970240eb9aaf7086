"""Where releases happen: the laptop's stack with its own pulumi, or a real one with the user's."""

import os
import shutil
import subprocess
from pathlib import Path

from rich.console import Console

from components.engines import adapter
from components.gateway.metrics import BACKEND_LABEL, LITELLM, NOT_THE_BACKENDS_FAULT
from components.naming import version_name
from components.platform.queries import INSTANCE
from infra.resolve import GATEWAY_NAME
from infra.stackfile.cluster import ExistingClusterSettings
from infra.stackfile.stack import StackSettings
from llmserve.checkout import wanted
from llmserve.cluster_world import ClusterWorld
from local import process_node, stack_config, up
from local.engine import STACK
from local.errors import LocalError
from local.kubectl import Kubectl
from local.layout import Layout
from release.errors import ReleaseError
from release.observation import Histograms, Sources
from release.plan import served_model
from release.world import BusyError

GATEWAY_KEY_VARIABLE = "LLMSERVE_GATEWAY_KEY"
_BUSY_WORDS = ("is at work on stack", "currently locked", "Another update is currently in progress")
"""Of ours, of pulumi's file backends, and of Pulumi Cloud."""
_TAIL_LINES = 25


def sources(settings: StackSettings, model: str, old: str, new: str) -> Sources:
    """How the series of two versions of a model are called."""
    versions = served_model(settings, model).versions
    engines = {versions[old].engine, versions[new].engine}
    found = adapter(engines.pop()).metrics if len(engines) == 1 else None
    measured = found is not None and found.ttft_histogram is not None
    return Sources(
        namespace=settings.namespace,
        instance_label=INSTANCE,
        backend_label=BACKEND_LABEL,
        gateway=GATEWAY_NAME,
        old=version_name(model, old),
        new=version_name(model, new),
        success=LITELLM.success,
        failure=LITELLM.failure,
        cooled_down=LITELLM.cooled_down,
        not_its_fault=NOT_THE_BACKENDS_FAULT,
        engine=Histograms(
            ttft=found.ttft_histogram, tpot=found.tpot_histogram, prompt_tokens=found.prompt_histogram
        )
        if found and measured
        else None,
        engine_finished=found.success if found else None,
        fallback=Histograms(ttft=LITELLM.ttft_histogram, tpot=LITELLM.tpot_histogram),
    )


def laptop_world(
    here: Layout, stack_file: Path, settings: StackSettings, model: str, where: Sources, console: Console
) -> ClusterWorld:
    """The laptop's stack as `stack_file` says. Raises LocalError if it does not run."""
    url, prometheus = process_node.gateway_url(here), process_node.prometheus_url(here)
    if url is None:
        raise LocalError("no stack runs here; `make up` starts it")
    if prometheus is None or settings.observability.prometheus is None:
        raise LocalError("observability.prometheus: a release is judged by it; add it and run `make up`")
    engine, _ = up.open_engine(here, console)
    asked = wanted(settings)
    log = here.logs / "release-up.log"

    def apply() -> None:
        try:
            up.mend(engine, STACK, console)
            config = stack_config.prepare(engine, STACK, asked.secret_keys, asked.own_passwords, stack_file)
            arguments = ("--yes", "--skip-preview", "--suppress-outputs", "--config-file", str(config))
            up.run_pulumi(engine, "up", *arguments, log=log)
        except LocalError as problem:
            raise _failed(str(problem)) from None

    key = (here.keys / stack_config.MASTER_KEY).read_text(encoding="utf-8").strip()
    return ClusterWorld(
        stack_file=stack_file,
        model=model,
        sources=where,
        kubectl=Kubectl(here.programs / "kubectl", here.kubeconfig),
        prometheus_url=prometheus,
        apply=apply,
        gateway=(url, key),
    )


def cluster_world(
    root: Path,
    stack: str,
    stack_file: Path,
    settings: StackSettings,
    model: str,
    where: Sources,
    *,
    prometheus_url: str | None,
    gateway_url: str | None,
    kubeconfig: Path,
) -> ClusterWorld:
    """A stack of the user's: their pulumi, kubectl, kubeconfig and credentials.

    Raises LocalError for what is missing.
    """
    pulumi, kubectl = shutil.which("pulumi"), shutil.which("kubectl")
    if pulumi is None or kubectl is None:
        raise LocalError(f"{'pulumi' if pulumi is None else 'kubectl'} is not on PATH; install it")
    prometheus = prometheus_url or settings.observability.prometheus_url
    if prometheus is None:
        raise LocalError(
            "--prometheus-url: a release is judged by Prometheus; give its address as reached from here, "
            "such as that of a `kubectl port-forward`"
        )
    cluster = settings.cluster
    key = os.environ.get(GATEWAY_KEY_VARIABLE)

    def apply() -> None:
        done = subprocess.run(
            [pulumi, "up", "--yes", "--skip-preview", "--non-interactive", "--stack", stack],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
            raise _failed(f"pulumi up ended with status {done.returncode}; it said at the end:\n{tail}")

    return ClusterWorld(
        stack_file=stack_file,
        model=model,
        sources=where,
        kubectl=Kubectl(
            Path(kubectl),
            kubeconfig,
            cluster.context if isinstance(cluster, ExistingClusterSettings) else None,
        ),
        prometheus_url=prometheus,
        apply=apply,
        gateway=(gateway_url.rstrip("/"), key) if gateway_url and key else None,
    )


def _failed(words: str) -> ReleaseError:
    return BusyError(words) if any(each in words for each in _BUSY_WORDS) else ReleaseError(words)
