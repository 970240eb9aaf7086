"""Requests of our own: as many as clients lack, within a bound, the same to both versions."""

from collections import Counter
from pathlib import Path

import pytest

from infra.stackfile.releases import ProbeSettings
from release.errors import ReleaseError
from release.probes import Probes
from release.promoter import HeldError
from release.report import markdown
from tests.unit.release_world import STACK_FILE, FakeWorld
from tests.unit.test_release_promoter import QUICK, Case

WITH = QUICK.model_copy(update={"probes": ProbeSettings(requests_per_look=12, max_requests=400)})


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case(tmp_path)
    made.world.rate = 0.0
    return made


def test_without_traffic_a_step_ends_undecided_unless_there_are_probes(case: Case) -> None:
    with pytest.raises(HeldError):
        case.run()


def test_with_probes_alone_an_equal_version_is_promoted_and_the_report_says_what_was_ours(case: Case) -> None:
    ended = case.run(WITH)
    assert ended.outcome == "promoted"
    asked = Counter(version for _, version in case.world.asked)
    assert asked["one"] == asked["two"] > 0
    assert "Of these requests to each version, ours:" in markdown(ended)


def test_with_probes_alone_a_version_that_fails_is_taken_back(case: Case) -> None:
    case.world.errors_of_new = 0.5
    assert case.run(WITH).outcome == "returned"


def test_with_probes_alone_a_slow_version_is_taken_back(case: Case) -> None:
    case.world.slow = True
    assert case.run(WITH).outcome == "returned"


def test_where_clients_send_enough_there_are_none(case: Case) -> None:
    case.world.rate = 20.0
    assert case.run(WITH).outcome == "promoted"
    assert case.world.asked == []


def world(folder: Path) -> FakeWorld:
    path = folder / "Pulumi.test.yaml"
    path.write_text(STACK_FILE, encoding="utf-8")
    return FakeWorld(path)


@pytest.mark.parametrize(
    ("requests", "sent"),
    [
        ([0, 5], [5, 10]),  # nobody but us
        ([5, 10, 15], [0, 0, 0]),  # clients send enough
        ([3, 8, 13], [2, 4, 6]),  # clients send three each time
        ([0, 5, 10, 12], [5, 10, 12, 12]),  # the bound
    ],
)
def test_probes_make_up_for_what_clients_lack(tmp_path: Path, requests: list[int], sent: list[int]) -> None:
    settings = ProbeSettings(requests_per_look=5, max_requests=12)
    probes = Probes(world(tmp_path), settings, ("one", "two"))
    found = []
    for number in requests:
        probes.make_up(number)
        found.append(probes.sent)
    assert found == sent


def test_a_run_that_goes_on_keeps_within_the_bound_of_its_step(tmp_path: Path) -> None:
    settings = ProbeSettings(requests_per_look=5, max_requests=7)
    probes = Probes(world(tmp_path), settings, ("one", "two"), already=6)
    probes.make_up(6)
    assert probes.sent == 7


def test_a_probe_that_fails_does_not_end_the_watch(tmp_path: Path) -> None:
    made = world(tmp_path)

    def refuse(call: str) -> None:
        if call == "ask two":
            raise ReleaseError("503")

    made.on_call = refuse
    probes = Probes(made, ProbeSettings(requests_per_look=3), ("one", "two"))
    probes.make_up(0)
    assert probes.sent == 3
    assert Counter(version for _, version in made.asked) == {"one": 3}
