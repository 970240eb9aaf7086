"""Imports point one way (docs/architecture.md), read from the code itself."""

import ast
import sys
from pathlib import Path

import pytest

from tests.stack_files import ROOT

OURS = ("components", "infra", "llmserve", "local", "one_machine", "planner", "release", "tools")
MAY_IMPORT: dict[str, set[str]] = {
    "planner": set(),
    "components": {"planner"},
    "infra": {"components", "planner"},
    "local": {"planner"},
    "one_machine": {"components", "infra", "planner"},
    "release": {"infra", "planner"},
    "llmserve": {"infra", "local", "one_machine", "planner", "components", "release"},
    "tools": set(),
}
SHARED_NAMES = {("local", "components.naming")}
"""Exceptions: the laptop's nodes carry the labels the manifests select by."""
PURE = (
    "planner/**/*.py",
    "components/aws/iam_documents.py",
    "components/aws/kubeconfig.py",
    "components/aws/naming.py",
    "components/aws/pool_arguments.py",
    "components/aws/spec.py",
    "components/aws/subnets.py",
    "components/aws/user_data.py",
    "components/images.py",
    "components/naming.py",
    "components/pod_parts.py",
    "components/prometheus_config.py",
    "components/quantity.py",
    "components/*/pod.py",
    "components/serving/router_pod.py",
    "components/spec.py",
    "components/**/*manifests*.py",
    "components/engines/**/*.py",
    "components/serving/scaling.py",
    "components/gateway/litellm.py",
    "components/gateway/model.py",
    "components/gateway/keys.py",
    "components/gateway/metrics.py",
    "components/platform/alerts.py",
    "components/platform/charts.py",
    "components/platform/dashboard.py",
    "components/platform/error_alerts.py",
    "components/platform/queries.py",
    "components/platform/releases.py",
    "components/platform/rule.py",
    "components/platform/service_accounts.py",
    "components/platform/spec.py",
    "components/platform/values.py",
    "infra/checks_platform.py",
    "infra/presets.py",
    "infra/resolve*.py",
    "infra/checks*.py",
    "infra/checking.py",
    "infra/estimates.py",
    "infra/mistakes.py",
    "infra/plan*.py",
    "infra/stack_facts.py",
    "infra/stack_reader.py",
    "infra/secret_keys.py",
    "infra/summary*.py",
    "infra/stackfile/*.py",
    "one_machine/*.py",
    "release/*.py",
)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_those_it_may(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for name in imported(path):
            top = name.split(".")[0]
            if top not in OURS or top == package or top in MAY_IMPORT[package]:
                continue
            shared = any(package == p and name.startswith(n) for p, n in SHARED_NAMES)
            from_package = any(package == p and n.startswith(f"{name}.") for p, n in SHARED_NAMES)
            assert shared or from_package, f"{path.relative_to(ROOT)} imports {name}"


def test_what_decides_never_imports_pulumi() -> None:
    paths = [path for pattern in PURE for path in ROOT.glob(pattern)]
    assert len(paths) > 20, "the patterns find the files"
    for path in paths:
        pulumi = {name for name in imported(path) if name.split(".")[0].startswith("pulumi")}
        assert not pulumi, f"{path.relative_to(ROOT)} imports {pulumi}"


def test_only_settings_reads_pulumi_config() -> None:
    for package in ("components", "infra", "planner", "llmserve"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "settings.py":
                assert "pulumi.Config" not in path.read_text(encoding="utf-8"), path.relative_to(ROOT)


def test_no_package_is_an_empty_room() -> None:
    for package in OURS:
        code = [p for p in (ROOT / package).rglob("*.py") if p.name != "__init__.py"]
        assert code, f"{package} has no content"


def test_no_module_of_the_program_hides_one_of_pythons_own() -> None:
    names = {path.stem for path in (ROOT / "infra").iterdir()}
    assert not names & sys.stdlib_module_names, "`main: infra` puts that folder first on the path"
