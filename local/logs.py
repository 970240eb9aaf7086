"""Output of pods: of one by its name, of a version, or of the gateway."""

from components.naming import MODEL_LABEL, VERSION_LABEL, selector
from local import report
from local.engine import STACK, Engine, laptop_environment
from local.errors import LocalError
from local.kubectl import Kubectl
from local.layout import Layout

MOST_PODS = 50


def show(layout: Layout, what: str, *, follow: bool) -> int:
    """Print it; return kubectl's exit status. Raises LocalError if there is no such pod."""
    outputs = report.outputs(Engine(layout, laptop_environment(layout)), STACK)
    if not outputs:
        raise LocalError("nothing runs: no `make up` has ended yet")
    kubectl = Kubectl(layout.programs / "kubectl", layout.kubeconfig)
    namespace = ("-n", report.namespace(outputs))
    chosen = target(what, outputs["gateway"]["service"].split(".")[0])
    if not kubectl.run("get", "pods", *namespace, *chosen, "--ignore-not-found", "-o", "name").strip():
        there = [pod["metadata"]["name"] for pod in kubectl.list("pods", *namespace)]
        raise LocalError(f"{what}: no such pod, version or gateway; there are {', '.join(there)}")
    several = ("--prefix", f"--max-log-requests={MOST_PODS}") if "-l" in chosen else ()
    following = ("--follow",) if follow else ()
    return kubectl.show("logs", *namespace, *chosen, "--tail=-1", *several, *following)


def target(what: str, gateway: str) -> tuple[str, ...]:
    """Return kubectl's arguments that choose the pods `what` means. Pure."""
    if what == gateway:
        labels = selector("gateway", gateway)
    elif "/" in what:
        model, _, version = what.partition("/")
        labels = {MODEL_LABEL: model, VERSION_LABEL: version}
    else:
        return (what,)
    return ("-l", ",".join(f"{key}={value}" for key, value in labels.items()))
