"""The Ingress and the waiting times along the way of a stream."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.gateway import timeouts
from components.gateway.gw_auth import CLIENT_PATHS
from components.ingress_manifests import ingress, ingress_findings
from planner.finding import Severity
from tests.snapshot import assert_snapshot
from tests.unit.gateway_examples import ingress_spec, model, spec

ALB = "alb.ingress.kubernetes.io"


def annotations(**fields: Any) -> dict[str, str]:
    found: dict[str, str] = ingress(ingress_spec(**fields), spec())["metadata"]["annotations"]
    return found


@given(st.integers(1, 3600))
def test_no_hop_gives_up_before_the_one_behind_it(longest: int) -> None:
    idle, keepalive = timeouts.idle_timeout_seconds(longest), timeouts.keepalive_seconds(longest)
    gateway = spec(model=model(longest_stream_seconds=longest), prestop_seconds=20, margin_seconds=0)
    assert longest <= idle < keepalive
    assert longest <= timeouts.deregistration_seconds(longest)
    assert gateway.prestop_seconds + longest <= gateway.grace_seconds


def test_the_measured_example_of_the_gateway_study_comes_out() -> None:
    assert timeouts.idle_timeout_seconds(300) == 300
    assert timeouts.keepalive_seconds(300) == 310
    assert timeouts.deregistration_seconds(300) == 300
    assert spec().grace_seconds == 340


def test_the_alb_is_as_recorded() -> None:
    whole = ingress(ingress_spec(paths=CLIENT_PATHS), spec())
    assert_snapshot("gateway/ingress-alb.yaml", yaml.safe_dump(whole, sort_keys=False))


def test_only_the_listed_paths_are_let_in_and_nothing_below_them() -> None:
    (rule,) = ingress(ingress_spec(), spec())["spec"]["rules"]
    assert rule["host"] == "llm.example.com"
    assert [(p["path"], p["pathType"]) for p in rule["http"]["paths"]] == [
        ("/v1/chat/completions", "Exact"),
        ("/v1/models", "Exact"),
    ]
    backend = {"service": {"name": "gateway", "port": {"name": "http"}}}
    assert all(path["backend"] == backend for path in rule["http"]["paths"])


@pytest.mark.parametrize(("internal", "scheme"), [(True, "internal"), (False, "internet-facing")])
def test_an_alb_is_internal_unless_opened(internal: bool, scheme: str) -> None:
    assert annotations(internal=internal)[f"{ALB}/scheme"] == scheme


def test_the_albs_timeouts_are_the_specs() -> None:
    found = annotations(idle_timeout_seconds=400, deregistration_seconds=500)
    assert "idle_timeout.timeout_seconds=400" in found[f"{ALB}/load-balancer-attributes"].split(",")
    assert "deregistration_delay.timeout_seconds=500" in found[f"{ALB}/target-group-attributes"].split(",")


def test_without_an_arn_the_controller_looks_for_the_hosts_certificate() -> None:
    assert f"{ALB}/certificate-arn" not in annotations(certificate_arn=None)


def test_another_class_gets_its_tls_secret_and_no_annotation_of_the_alb() -> None:
    plain = ingress(ingress_spec(class_name="traefik", certificate_arn=None, tls_secret="llm-tls"), spec())
    assert "annotations" not in plain["metadata"]
    assert plain["spec"]["ingressClassName"] == "traefik"
    assert plain["spec"]["tls"] == [{"hosts": ["llm.example.com"], "secretName": "llm-tls"}]


def test_an_alb_cannot_wait_longer_than_an_hour() -> None:
    (finding,) = ingress_findings(ingress_spec(idle_timeout_seconds=3700, deregistration_seconds=3700), "s.")
    assert (finding.severity, finding.path) == (Severity.ERROR, "s.gateway.longest_stream_seconds")
    assert ingress_findings(ingress_spec(idle_timeout_seconds=3600, deregistration_seconds=3600)) == []
    other = ingress_spec(class_name="traefik", certificate_arn=None, deregistration_seconds=3700)
    assert ingress_findings(other) == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tls_secret": "llm-tls"}, "gateway.ingress.tls_secret"),
        ({"class_name": "traefik", "tls_secret": "llm-tls"}, "gateway.ingress.certificate_arn"),
    ],
)
def test_a_certificate_the_class_cannot_use_is_told(fields: dict[str, Any], path: str) -> None:
    (finding,) = ingress_findings(ingress_spec(**fields))
    assert (finding.severity, finding.path) == (Severity.WARNING, path)
