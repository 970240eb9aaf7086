"""The promoter in a made-up world: what it does with verdicts, faults, kills and hands in its file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.stackfile.releases import AnalysisSettings, ReleaseSettings
from release import stack_file
from release.errors import ReleaseError
from release.gates import Case as Prompt
from release.gates import quality_gate, smoke_gate
from release.journal import Journal, Release, now
from release.promoter import HeldError, Promoter
from release.world import BusyError
from tests.unit.release_world import STACK_FILE, FakeWorld, KilledError

QUICK = ReleaseSettings(
    steps=(10, 50),
    warmup_seconds=20,
    look_seconds=20,
    keep_seconds=60,
    analysis=AnalysisSettings(hold_seconds=120, max_wait_seconds=400, missing_seconds=100, recent_seconds=60),
)
QUICKER = QUICK.model_copy(
    update={
        "keep_seconds": 20,
        "analysis": AnalysisSettings(
            hold_seconds=40, max_wait_seconds=200, missing_seconds=60, recent_seconds=20
        ),
    }
)
"""Few looks, so that a kill at each of them takes no time; needs much traffic."""
STEPS: list[Any] = [(10, "versions"), (50, "versions"), (100, "failures")]


class Case:
    """A stack file, its world and its journal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "Pulumi.test.yaml"
        self.path.write_text(STACK_FILE, encoding="utf-8")
        self.world = FakeWorld(self.path)
        self.journal = Journal(folder, "test")
        self.said: list[str] = []
        self.release = Release(
            stack="test",
            model="chat",
            old="one",
            new="two",
            strategy="canary",
            steps=STEPS,
            before={"one": 100},
            who="somebody",
            started=now(),
            weights={"one": 100},
            digest=stack_file.digest(STACK_FILE),
        )

    def run(self, settings: ReleaseSettings = QUICK, **more: Any) -> Release:
        promoter = Promoter(self.world, self.journal, self.release, settings, self.said.append, **more)
        promoter.take_up()
        return promoter.run()

    def run_from_record(self, settings: ReleaseSettings = QUICK) -> Release:
        """What the next process does: it knows only the record."""
        found = self.journal.open_release("chat")
        assert found is not None, "the record must say that the release has not ended"
        self.release = found
        return self.run(settings)

    @property
    def weights(self) -> dict[str, int]:
        return stack_file.weights(self.path.read_text("utf-8"), "chat")


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    file = {version: share for version, share in made.weights.items() if share}
    assert file == made.world.running, "file and gateway agree, however it ended"


def test_an_equal_version_gets_all_traffic_and_only_the_traffic_line_changes(case: Case) -> None:
    ended = case.run()
    assert ended.outcome == "promoted"
    assert case.path.read_text("utf-8") == STACK_FILE.replace("{one: 100}", "{one: 0, two: 100}")
    moved = [weights for _, weights in case.world.history]
    assert moved == [{"one": 100}, {"one": 90, "two": 10}, {"one": 50, "two": 50}, {"two": 100}]
    assert [look.verdict for look in ended.looks].count("advance") == 3
    assert len(ended.previous) == 2, "judged steps stay as evidence"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda world: setattr(world, "errors_of_new", 0.3), "hard stop"),
        (lambda world: setattr(world, "errors_of_new", 0.05), "errors"),
        (lambda world: setattr(world, "slow", True), "TTFT"),
    ],
    ids=["many errors", "some errors", "slow"],
)
def test_a_worse_version_is_taken_back_and_the_file_is_as_before(
    case: Case, fault: Callable[[FakeWorld], None], words: str
) -> None:
    fault(case.world)
    ended = case.run()
    assert ended.outcome == "returned"
    assert words in ended.reason
    assert case.path.read_text("utf-8") == STACK_FILE


def test_a_version_that_fails_alone_with_all_traffic_is_taken_back(case: Case) -> None:
    def at_whole(_: str) -> None:
        case.world.errors_of_new = 0.5 if case.world.running == {"two": 100} else 0.0

    case.release.steps = [(100, "failures")]
    case.world.on_call = at_whole
    assert case.run().outcome == "returned"


def test_missing_series_hold_and_never_promote(case: Case) -> None:
    case.world.away = True
    with pytest.raises(HeldError, match="undecided"):
        case.run()
    assert case.weights == {"one": 90, "two": 10}
    assert case.release.outcome is None
    case.world.away = False
    assert case.run_from_record().outcome == "promoted", "a person runs it again, and it goes on"


def test_missing_series_return_where_that_is_wanted(case: Case) -> None:
    case.world.away = True
    ended = case.run(QUICK.model_copy(update={"on_inconclusive": "rollback"}))
    assert ended.outcome == "returned"


def test_no_traffic_at_all_never_promotes(case: Case) -> None:
    case.world.rate = 0
    with pytest.raises(HeldError):
        case.run()


def test_a_version_that_never_gets_ready_is_abandoned_before_traffic_moves(case: Case) -> None:
    case.world.unready = {"two"}
    assert case.run().outcome == "abandoned"
    assert case.path.read_text("utf-8") == STACK_FILE
    assert all(weights == {"one": 100} for _, weights in case.world.history)


def test_a_version_that_is_not_ready_any_more_for_long_is_taken_back(case: Case) -> None:
    def crash(_: str) -> None:
        if case.world.running == {"one": 90, "two": 10}:
            case.world.unready = {"two"}

    case.world.on_call = crash
    ended = case.run()
    assert ended.outcome == "returned"
    assert "not been Ready" in ended.reason


def test_a_pulumi_that_fails_half_way_brings_the_old_weights_back(case: Case) -> None:
    def problem(world: FakeWorld) -> ReleaseError | None:
        half_way = case.weights.get("two") == 10
        if half_way:  # the gateway got the weights, something else failed
            world.running = {"one": 90, "two": 10}
        return ReleaseError("pulumi up ended with status 255") if half_way else None

    case.world.apply_problem = problem
    ended = case.run()
    assert ended.outcome == "returned"
    assert "status 255" in ended.reason
    assert case.path.read_text("utf-8") == STACK_FILE


def test_a_locked_stack_changes_no_phase_and_the_next_run_goes_on(case: Case) -> None:
    def problem(_: FakeWorld) -> ReleaseError | None:
        return BusyError("another pulumi is at work") if case.weights.get("two") == 50 else None

    case.world.apply_problem = problem
    with pytest.raises(BusyError):
        case.run()
    assert case.release.phase == "moving"
    case.world.apply_problem = lambda _: None
    assert case.run_from_record().outcome == "promoted"


def test_weights_edited_by_hand_stop_the_release_and_are_left_alone(case: Case) -> None:
    def edit(_: str) -> None:
        if case.world.running == {"one": 90, "two": 10}:
            text = case.path.read_text("utf-8")
            case.path.write_text(stack_file.set_weights(text, "chat", {"one": 70, "two": 30}), "utf-8")
            case.world.on_call = lambda _: None

    case.world.on_call = edit
    with pytest.raises(ReleaseError, match=r"is one 70 %, two 30 %, this release left it at one 90 %"):
        case.run()
    with pytest.raises(ReleaseError, match="llmserve rollback chat"):
        case.run_from_record()
    promoter = Promoter(case.world, case.journal, case.release, QUICK, case.said.append)
    promoter.go_back("asked for")
    assert promoter.run().outcome == "returned"
    assert case.path.read_text("utf-8") == STACK_FILE


def test_another_edit_meanwhile_stops_it_once_and_is_taken_when_run_again(case: Case) -> None:
    def edit(_: str) -> None:
        if case.world.running == {"one": 90, "two": 10}:
            text = case.path.read_text("utf-8")
            case.path.write_text(text.replace("other: 1", "other: 2"), encoding="utf-8")
            case.world.on_call = lambda _: None

    case.world.on_call = edit
    with pytest.raises(ReleaseError, match="was changed by somebody else"):
        case.run()
    assert case.run_from_record().outcome == "promoted"
    assert "other: 2" in case.path.read_text("utf-8")


def test_a_clock_that_jumps_begins_the_step_anew(case: Case) -> None:
    case.world.jump_at = 90.0
    ended = case.run()
    assert ended.outcome == "promoted"
    assert any("clock jumped" in look.reason for look in ended.looks)


def test_the_way_back_waits_while_the_old_version_is_not_ready(case: Case) -> None:
    case.world.errors_of_new = 0.3

    def fall(_: str) -> None:
        if case.world.running == {"one": 90, "two": 10}:
            case.world.unready = {"one"}

    case.world.on_call = fall
    with pytest.raises(ReleaseError, match="cannot go back, one is not Ready"):
        case.run()
    case.world.unready, case.world.on_call = set(), lambda _: None
    assert case.run_from_record().outcome == "returned"


def test_killed_at_every_call_the_next_run_ends_consistent(tmp_path: Path) -> None:
    """Every place where the promoter asks the world something, and before each write of record or file."""
    kills = 0
    for errors, outcome in ((0.0, "promoted"), (0.3, "returned")):
        for at in range(10_000):
            folder = tmp_path / f"{outcome}-{at}"
            folder.mkdir()
            case = Case(folder)
            case.world.errors_of_new, case.world.rate = errors, 200
            calls = iter(range(1_000_000))

            def kill(_: str, at: int = at, calls: Iterator[int] = calls) -> None:
                if next(calls) == at:
                    raise KilledError

            case.world.on_call = kill
            case.journal.save(case.release)
            try:
                ended = case.run(QUICKER)
            except KilledError:
                kills += 1
                case.world.on_call = lambda _: None
                ended = case.run_from_record(QUICKER)
            else:
                break
            assert ended.outcome == outcome, at
            file = {version: share for version, share in case.weights.items() if share}
            assert file == case.world.running
    assert kills > 20


def test_killed_around_every_write_the_next_run_ends_consistent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, kills = stack_file.write, 0
    for at in range(10_000):
        folder = tmp_path / str(at)
        folder.mkdir()
        case = Case(folder)
        case.world.rate = 200
        case.journal.save(case.release)
        count = iter(range(1_000_000))

        def dying(path: Path, text: str, at: int = at, count: Iterator[int] = count) -> None:
            number = next(count)
            if number == at // 2 and at % 2 == 0:
                raise KilledError
            write(path, text)
            if number == at // 2:
                raise KilledError

        monkeypatch.setattr(stack_file, "write", dying)
        try:
            case.run(QUICKER)
        except KilledError:
            kills += 1
            monkeypatch.setattr(stack_file, "write", write)
            found = case.journal.open_release("chat")
            if found is None:  # killed after the very last write
                assert case.journal.releases("chat")[0].outcome == "promoted"
                continue
            assert case.run_from_record(QUICKER).outcome == "promoted", at
            assert case.weights == {"one": 0, "two": 100}
        else:
            break
    assert kills > 20


def test_blue_green_asks_the_new_version_by_its_name_before_the_switch(case: Case) -> None:
    asked: list[str] = []
    case.world.on_call = asked.append
    case.release.steps = [(100, "failures")]
    assert case.run(gates=[smoke_gate("two")]).outcome == "promoted"
    assert asked.index("ask two") < asked.index("sleep")


def test_a_version_whose_answers_are_worse_is_abandoned_before_traffic_moves(case: Case) -> None:
    case.world.answers = {"one": "it is 4", "two": "it is 5"}
    cases = [Prompt(prompt=f"{n}?", expect=r"\b4\b") for n in range(6)]
    ended = case.run(gates=[quality_gate("one", "two", cases, 0.05)])
    assert ended.outcome == "abandoned"
    assert "fails 6 of 6 prompts that one gets right" in ended.reason
    assert case.path.read_text("utf-8") == STACK_FILE


def test_a_comparison_ends_without_a_promotion(case: Case) -> None:
    case.release.steps, case.release.strategy = [(50, "versions")], "ab"
    assert case.run().outcome == "compared"
    assert case.weights == {"one": 50, "two": 50}


def test_a_second_promoter_is_refused(case: Case) -> None:
    with (
        case.journal.locked(),
        pytest.raises(ReleaseError, match="another promoter"),
        Journal(case.path.parent, "test").locked(),
    ):
        pass
    case.world.apply()
