"""Cores that the gateway needs, by hand-computed examples, and the rule about them."""

import pytest

from planner.gateway_load import AnsweredLoad, GatewayCores, cores_wanted, gateway_load_findings


def load(**fields: float) -> AnsweredLoad:
    plain: dict[str, float] = {
        "min_replicas": 1,
        "max_replicas": 4,
        "requests_per_second": 3.0,
        "tokens_per_second": 500.0,
    }
    return AnsweredLoad.model_validate(plain | fields)


def test_cores_are_those_of_the_sizing_rule() -> None:
    """(0.010 x 3 + 0.0006 x 500) / 0.6 = 0.55 a replica."""
    assert cores_wanted([load()], most=False) == pytest.approx(0.55)
    assert cores_wanted([load()], most=True) == pytest.approx(2.2)
    assert cores_wanted([load(), load(max_replicas=2)], most=True) == pytest.approx(3.3)


def test_fewer_larger_chunks_cost_less() -> None:
    """(0.010 x 3 + 0.0006 x 125) / 0.6 = 0.175."""
    assert cores_wanted([load(tokens_per_chunk=4)], most=False) == pytest.approx(0.175)


@pytest.mark.parametrize(("replicas", "cores", "found"), [(3, 1.0, False), (2, 1.1, False), (2, 1.0, True)])
def test_a_gateway_slower_than_its_engines_is_found(replicas: int, cores: float, found: bool) -> None:
    findings = list(gateway_load_findings(GatewayCores(max_replicas=replicas, cores=cores), [load()]))
    assert bool(findings) is found


def test_the_finding_gives_both_numbers_and_the_setting() -> None:
    (finding,) = gateway_load_findings(GatewayCores(max_replicas=2, cores=1.0), [load()])
    assert finding.id == "gateway-too-small"
    assert str(finding) == (
        "gateway.replicas.max: is 2, 2 cores, and all that the engines can stream takes 2.2; "
        "make it 3 or more, or have engines send several tokens at once (vllm: flags.stream-interval)"
    )
