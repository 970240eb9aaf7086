"""`pulumi up` tells why a pod does not come up, for every way in which it may not.

Proves: the node's reasons reach the user by way of the real controllers, the real engine and the stand-in for
the kubernetes provider. Does not prove the official provider's words.
"""

from pathlib import Path
from typing import Any

from tests.e2e.conftest import Space
from tests.e2e.laptop_stack import until
from tests.e2e.manifests import app_config, container, deployment, pod_spec
from tests.engine.engines import private_environment, pulumi_of
from tests.engine.programs.stack import Stack

PATIENCE_SECONDS = 15
GONE = {"secretKeyRef": {"name": "gone", "key": "k"}}
SECOND = container(name="second", ports=[], readinessProbe={"tcpSocket": {"port": 8001}})
"""Wants the port of the first, and is not taken for ready because that one answers there."""
BROKEN: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "crash": (
        [container(command=["sh", "-c", "echo no such weights >&2; exit 3"], args=[])],
        "CrashLoopBackOff",
        "exited with 3: no such weights",
    ),
    "image": (
        [container(image="nginx:1")],
        "ErrImagePull",
        "ErrImagePull: image nginx:1 stands for no local program",
    ),
    "secret": (
        [container(env=[{"name": "A", "valueFrom": GONE}])],
        "CreateContainerConfigError",
        'CreateContainerConfigError: secret "gone" not found',
    ),
    "port": ([container(), SECOND], "CrashLoopBackOff", "address already in use"),
    "argv": (
        [container(args=["/app/app.py", "--wrong"])],
        "CrashLoopBackOff",
        "the following arguments are required: --host, --port",
    ),
    "gpus": (
        [container(resources={"limits": {"nvidia.com/gpu": "9"}})],
        "Pending",
        "Insufficient nvidia.com/gpu",
    ),
}
"""By name: containers, the reason `kubectl get pods` shows, and what `pulumi up` says."""


def test_up_ends_with_the_reason_of_every_pod_that_does_not_come(space: Space, tmp_path: Path) -> None:
    rig = space.rig
    environment = private_environment(tmp_path, rig.programs, Path(rig.kubectl.kubeconfig))
    stack = Stack("manifests", tmp_path, environment, pulumi_of(rig.programs))
    space.apply(app_config())
    resources = {}
    for name, (containers, *_) in BROKEN.items():
        for one in containers:
            one["terminationMessagePolicy"] = "FallbackToLogsOnError"
        made = deployment(name, 1, pod_spec(*containers))
        made["metadata"] |= {
            "namespace": space.name,
            "annotations": {"pulumi.com/timeoutSeconds": str(PATIENCE_SECONDS)},
        }
        resources[name] = made
    stack.write(resources)
    done = stack.run("up", "--yes", "--skip-preview")
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    for name, (_, reason, words) in BROKEN.items():
        told = said.rpartition(f"kubernetes:apps/v1:Deployment ({name}):")[2].partition("\n\n")[0]
        assert words in told, f"{name}: {words!r} is not in {said}"

        def shown(name: str = name, reason: str = reason) -> bool:
            lines = space.run("get", "pods").splitlines()
            return any(line.startswith(f"{name}-") and reason in line for line in lines)

        until(shown, 30, f"{name}: kubectl get pods does not say {reason}")
