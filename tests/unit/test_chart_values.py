"""Every Helm value we set is one the chart has, as far as its values could be read (tests/chart_values)."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from components.platform import service_accounts
from components.platform.charts import charts
from components.platform.releases import AFTER, namespace_of, release_names, release_values
from tests.stack_files import ROOT
from tests.unit.platform_examples import NAMES, PLATFORMS, platform

RECORDS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests/chart_values").glob("*.yaml"))
}


def which_version(release: str) -> str:
    """Test id that says what a green test means: the pinned version, and the one the paths are from."""
    return f"{release} {charts()[release].version}, paths of {RECORDS[release]['read']['version']}"


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path


def unknown(values: Mapping[str, Any], known: set[str]) -> list[str]:
    open_ended = tuple(path.removesuffix("*") for path in known if path.endswith(".*"))
    return [path for path in leaves(values) if path not in known and not f"{path}.".startswith(open_ended)]


def test_every_chart_has_a_record_of_its_values_with_a_source() -> None:
    assert set(RECORDS) == set(charts())
    for release, record in RECORDS.items():
        read = record["read"]
        assert len(read.get("commit", "")) == 40 or read["tag"].startswith("v"), release
        assert {"repository", "path", "version", "date"} < set(read), release
        assert read["version"] == charts()[release].version or record["also"], f"{release}: say what was read"


@pytest.mark.parametrize("release", RECORDS, ids=which_version)
def test_every_value_we_set_is_in_the_charts_own_values(release: str) -> None:
    known = set(RECORDS[release]["paths"].split())
    rendered = [release_values(spec, NAMES) for spec in PLATFORMS.values()]
    ours = [values[release] for values in rendered if release in values]
    assert ours, "no example installs it"
    for values in ours:
        assert unknown(values, known) == []


def test_a_value_the_chart_does_not_have_is_found() -> None:
    known = {"grafana.enabled", "grafana.sidecar.*"}
    values = {
        "grafana": {"enabled": True, "sidecar": {"any": 1}, "enable": True},
        "grafna": {"enabled": True},
    }
    assert unknown(values, known) == ["grafana.enable", "grafna.enabled"]


def test_versions_are_exact_and_repositories_are_addresses() -> None:
    for release, chart in charts().items():
        assert all(part.isdigit() for part in chart.version.split(".")), release
        assert chart.version.count(".") == 2, release
        assert chart.chart.startswith("oci://") is (chart.repository is None), release
        assert chart.repository is None or chart.repository.startswith("https://"), release


def test_accounts_that_get_a_role_are_the_ones_the_charts_make() -> None:
    accounts = service_accounts.BY_WORKLOAD
    for spec in PLATFORMS.values():
        for release, values in release_values(spec, NAMES).items():
            section = values.get("rbac", values).get("serviceAccount")
            assert (section is not None) is (release in accounts), release
            if section:
                assert section == {"create": True, "name": accounts[release].name}
                assert namespace_of(release, spec) == accounts[release].namespace


def test_what_makes_monitors_comes_after_what_brings_their_kind() -> None:
    order = release_names(platform())
    for release, earlier in AFTER.items():
        assert all(order.index(other) < order.index(release) for other in earlier)
    with_monitor = [
        release
        for release, values in release_values(platform(), NAMES).items()
        if values.get("serviceMonitor", {}).get("enabled")
    ]
    assert set(with_monitor) == set(AFTER)


def test_a_chart_that_must_know_the_cluster_is_not_rendered_without() -> None:
    with pytest.raises(ValueError, match="aws-load-balancer-controller, cluster-autoscaler: the name of"):
        release_values(platform(), type(NAMES)())
