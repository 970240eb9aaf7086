"""What is told about the AWS half and stops nothing."""

from datetime import date
from typing import Any

import pytest

from infra.checking import check_settings
from planner.finding import Severity
from tests.stack_files import eks_valid, valid, with_value

TODAY = date(2026, 11, 26)


def warnings(raw: dict[str, Any]) -> dict[str, str]:
    found = [f for f in check_settings(raw, TODAY)[1] if f.path.split(".")[0] in ("cluster", "pools")]
    assert {f.severity for f in found} <= {Severity.WARNING}
    return {f.path: f.message for f in found}


def production() -> dict[str, Any]:
    raw = eks_valid()
    raw["environment"] = "production"
    raw["cluster"]["deletion_protection"] = True
    return raw


def test_development_has_none() -> None:
    assert warnings(eks_valid()) == {}


def test_production_is_told_what_a_lost_zone_takes() -> None:
    assert warnings(production()) == {
        "cluster.availability_zones": "are 2 in production",
        "cluster.network.nat": "is one: its zone's loss cuts off every zone",
    }


@pytest.mark.parametrize(
    ("path", "value", "told", "message"),
    [
        ("cluster.kubernetes_version", "1.34", "cluster.kubernetes_version", "in 6 days"),
        ("cluster.autoscaler", "karpenter", "pools.l4.min", "has no effect"),
    ],
)
def test_each_risk_is_told(path: str, value: Any, told: str, message: str) -> None:
    raw = with_value(path, value, eks_valid())
    if path == "cluster.kubernetes_version":
        names = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver")
        more = ("eks-node-monitoring-agent", "metrics-server")
        raw["cluster"]["addons"] = dict.fromkeys((*names, *more), "v1.0.0-eksbuild.1")
    assert message in warnings(raw)[told]


def test_without_an_autoscaler_a_higher_maximum_is_never_reached() -> None:
    raw = with_value("pools.l4.min", 8, with_value("cluster.autoscaler", "none", eks_valid()))
    assert warnings(raw) == {"pools.system.max": "is never reached: cluster.autoscaler is none"}


def test_settings_of_nodes_mean_nothing_where_the_nodes_are_there() -> None:
    raw = with_value("pools.l4.capacity", "spot", valid())
    assert list(warnings(raw)) == ["pools.l4.capacity"]


def test_of_a_broken_eks_cluster_its_pools_settings_are_not_called_meaningless() -> None:
    raw = with_value("pools.l4.capacity", "spot", eks_valid())
    del raw["cluster"]["region"]
    findings = check_settings(raw, TODAY)[1]
    assert [f.path for f in findings if f.severity is Severity.ERROR] == ["cluster.region"]
    assert "pools.l4.capacity" not in [f.path for f in findings]
