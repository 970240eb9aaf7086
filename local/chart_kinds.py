"""Definitions of the kinds that charts bring, for clusters where charts are only recorded. Pure.

They check nothing but names: what a chart's own definition would refuse is accepted here.
"""

from importlib.resources import files
from typing import Any

import yaml


def definitions(chart: str) -> list[dict[str, Any]]:
    """A CustomResourceDefinition per kind that a chart (its name or address) brings and the program uses."""
    rows = yaml.safe_load(files("local").joinpath("chart_kinds.yaml").read_text("utf-8"))
    return [_definition(**row) for row in rows.get(chart, ())]


def _definition(group: str, version: str, kind: str, plural: str, scope: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
