"""What a preview says about an EKS cluster."""

from datetime import date

from infra.checking import check_settings
from infra.stackfile.cluster import EksClusterSettings
from infra.summary_cluster import cluster_summary, cluster_text
from tests.stack_files import eks_valid

TODAY = date(2026, 11, 26)
LATER = date(2027, 4, 1)


def text(today: date) -> list[str]:
    settings, _ = check_settings(eks_valid(), today)
    assert settings is not None
    assert isinstance(settings.cluster, EksClusterSettings)
    return cluster_text(settings, settings.cluster, today).splitlines()


def test_the_text_tells_days_left_cost_and_quotas() -> None:
    assert text(TODAY) == [
        "test: standard support of 1.35 ends 2027-03-27, in 121 days",
        "cost per hour, pools at min and at max (us-east-1 list prices; no traffic, logs, requests):",
        "  control plane                $    0.100  $    0.100",
        "  NAT gateways                 $    0.050  $    0.050",
        "  volumes                      $    0.011  $    0.011",
        "  KMS keys                     $    0.001  $    0.001",
        "  pool system: 2-3 x m7i.large $    0.224  $    0.335",
        "  pool l4: 1-8 x g6.2xlarge    $    0.989  $    7.908",
        "  in all                       $    1.374  $    8.406",
        "vCPU quotas needed with every pool at max:",
        "     64 Running On-Demand G and VT instances (L-DB2E81BA)",
        "      6 Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances (L-1216C47A)",
    ]


def test_extended_support_makes_the_control_plane_dearer() -> None:
    assert text(LATER)[2] == "  control plane                $    0.600  $    0.600"


def test_the_outputs_do_not_change_from_day_to_day() -> None:
    settings, _ = check_settings(eks_valid(), TODAY)
    assert settings is not None
    assert isinstance(settings.cluster, EksClusterSettings)
    one, other = (cluster_summary(settings, settings.cluster, day) for day in (TODAY, date(2026, 12, 24)))
    assert one == other
