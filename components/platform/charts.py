"""The charts of the platform: what, from where, which version. Pure; the data is charts.yaml."""

import datetime
from collections.abc import Mapping
from functools import cache

from components.spec import Spec
from planner.data_files import package_file


class Chart(Spec):
    """One chart at one version."""

    chart: str
    """Name in `repository`, or an oci:// address."""
    repository: str | None
    version: str
    namespace: str | None
    """Where its release lives; None = the monitoring namespace."""
    timeout_seconds: int
    date: datetime.date
    """Of the release, as far as the source tells it."""
    source: str


@cache
def charts() -> Mapping[str, Chart]:
    """Every chart by the name of its release, in the order of the file."""
    rows = package_file("components.platform", "charts.yaml")
    return {name: Chart(**fields) for name, fields in rows.items()}
