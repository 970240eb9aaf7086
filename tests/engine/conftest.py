"""One private control plane for the tier, and private pulumi backends that use the stand-ins."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import cluster
from local.kubectl import Kubectl
from local.nodes import nodes_of
from tests.engine.engines import RunPulumi, private_environment, pulumi_of
from tests.stack_files import ROOT, stack_config


@pytest.fixture(scope="session")
def programs() -> Path:
    """The programs of `make tools`; without them the tier cannot run, and says so."""
    folder = ROOT / ".local" / "bin"
    if not (folder / "pulumi").exists():
        pytest.fail("the programs are missing: run `make tools`", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def control_plane(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.ControlPlane]:
    """A control plane of this test run only, with the nodes of Pulumi.local.yaml."""
    state = tmp_path_factory.mktemp("control-plane")
    try:
        yield cluster.start(state, programs, nodes_of(stack_config("local")))
    finally:
        cluster.stop(state, programs)


@pytest.fixture(scope="session")
def kubectl(programs: Path, control_plane: cluster.ControlPlane) -> Kubectl:
    """kubectl against that control plane."""
    return Kubectl(programs / "kubectl", control_plane.kubeconfig)


@pytest.fixture(scope="session")
def engine_environment(
    programs: Path, control_plane: cluster.ControlPlane
) -> Callable[[Path], dict[str, str]]:
    """Environment of a pulumi whose state lies in the given folder, and whose plugins are the stand-ins."""
    return lambda folder: private_environment(folder, programs, control_plane.kubeconfig)


@pytest.fixture(scope="session")
def run_pulumi(programs: Path) -> RunPulumi:
    """Run pulumi in a folder with an environment of `engine_environment`; output and status come back."""
    return pulumi_of(programs)
