"""From settings to steps, and what forbids a release before anything moves."""

from typing import Any

import pytest

from infra.checking import check_stack
from release.errors import ReleaseError
from release.plan import Step, make_plan, risks
from tests.stack_files import valid


def settings_of(raw: dict[str, Any]) -> Any:
    found = check_stack(raw)
    assert found.settings is not None
    assert not found.errors, found.errors
    return found


def with_release(traffic: dict[str, int] | None = None, **release: Any) -> dict[str, Any]:
    raw = valid()
    raw["models"]["chat"]["traffic"] = traffic or {"v1": 100, "v2": 0}
    raw["models"]["chat"]["release"] = release
    return raw


def plan_of(raw: dict[str, Any], version: str = "v2") -> Any:
    return make_plan(settings_of(raw).settings, "chat", version)


def test_a_canary_goes_by_its_steps_and_ends_with_all_traffic() -> None:
    plan = plan_of(with_release(steps=[10, 50]))
    assert plan.steps == (Step(10, "versions"), Step(50, "versions"), Step(100, "failures"))


def test_steps_that_are_reached_already_are_left_out() -> None:
    plan = plan_of(with_release({"v1": 75, "v2": 25}))
    assert [step.weight for step in plan.steps] == [50, 100]


@pytest.mark.parametrize("strategy", ["blue_green", "rolling"])
def test_blue_green_and_rolling_move_everything_at_once(strategy: str) -> None:
    assert plan_of(with_release(strategy=strategy)).steps == (Step(100, "failures"),)


def test_ab_stays_at_its_one_share() -> None:
    plan = plan_of(with_release(strategy="ab", steps=[50]))
    assert plan.steps == (Step(50, "versions"),)


@pytest.mark.parametrize(
    ("model", "version", "words"),
    [
        ("chatt", "v2", "did you mean chat?"),
        ("openai", "v2", "external provider"),
        ("chat", "v3", "there is no such version"),
        ("chat", "v1", "has all the traffic already"),
    ],
)
def test_what_cannot_be_promoted_is_refused_by_name(model: str, version: str, words: str) -> None:
    with pytest.raises(ReleaseError, match=words.replace("?", r"\?")):
        make_plan(settings_of(with_release()).settings, model, version)


def test_a_third_version_with_traffic_is_not_dropped_silently() -> None:
    raw = with_release({"v1": 60, "v2": 10, "v3": 30})
    raw["models"]["chat"]["versions"]["v3"] = raw["models"]["chat"]["versions"]["v1"]
    with pytest.raises(ReleaseError, match="v3 would lose its traffic"):
        plan_of(raw)


def risk_paths(raw: dict[str, Any]) -> list[str]:
    found = settings_of(raw)
    plan = make_plan(found.settings, "chat", "v2")
    return [finding.path for finding in risks(found.settings, found.plan, plan)]


def test_two_versions_of_one_model_are_no_risk() -> None:
    assert risk_paths(with_release()) == []


@pytest.mark.parametrize("accepted", [False, True])
def test_a_shorter_context_is_refused_unless_it_is_accepted(accepted: bool) -> None:
    raw = with_release(accept=["shorter_context"] if accepted else [])
    raw["models"]["chat"]["versions"]["v2"]["max_model_len"] = 4096
    assert risk_paths(raw) == ([] if accepted else ["models.chat.versions.v2.max_model_len"])


@pytest.mark.parametrize("accepted", [False, True])
def test_another_tokenizer_is_refused_unless_it_is_accepted(accepted: bool) -> None:
    raw = with_release(accept=["other_tokenizer"] if accepted else [])
    raw["models"]["chat"]["versions"]["v2"]["model"] = "mistralai/Mistral-7B-Instruct-v0.3"
    assert risk_paths(raw) == ([] if accepted else ["models.chat.versions.v2.model"])


def test_more_dollars_an_hour_than_allowed_are_refused() -> None:
    assert risk_paths(with_release(max_extra_usd_per_hour=100)) == []
    assert risk_paths(with_release(max_extra_usd_per_hour=0.1)) == [
        "models.chat.release.max_extra_usd_per_hour"
    ]


@pytest.mark.parametrize(
    ("release", "path"),
    [
        ({"steps": [50, 10]}, "models.chat.release.steps"),
        ({"steps": [0, 10]}, "models.chat.release.steps.0"),
        ({"steps": [10, 100]}, "models.chat.release.steps.1"),
        ({"steps": []}, "models.chat.release.steps"),
        ({"strategy": "ab"}, "models.chat.release.steps"),
        ({"strategy": "bluegreen"}, "models.chat.release.strategy"),
        ({"warmup_seconds": 600}, "models.chat.release.warmup_seconds"),
        ({"probes": {"max_requests": 10}}, "models.chat.release.probes.max_requests"),
        ({"look_seconds": 700}, "models.chat.release.look_seconds"),
        ({"analysis": {"hold_seconds": 2000}}, "models.chat.release.analysis.hold_seconds"),
        ({"analysis": {"alpha": 1.5}}, "models.chat.release.analysis.alpha"),
        ({"accept": ["anything"]}, "models.chat.release.accept.0"),
    ],
)
def test_wrong_release_settings_fail_the_preview_by_path(release: dict[str, Any], path: str) -> None:
    found = check_stack(with_release(**release))
    assert path in [finding.path for finding in found.errors], found.errors
