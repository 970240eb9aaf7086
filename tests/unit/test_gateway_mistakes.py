"""Wrong gateway settings fail the preview, each by its path: gateway_mistakes.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checking import check_stack
from tests.stack_files import valid

MISTAKES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("gateway_mistakes.yaml").read_text(encoding="utf-8")
)


def test_what_they_are_made_of_has_no_mistake() -> None:
    assert not check_stack(valid()).errors


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake['put']}={mistake['value']}")
def test_a_wrong_gateway_setting_is_refused_by_its_path(mistake: dict[str, Any]) -> None:
    raw = valid()
    *folders, last = mistake["put"].split(".")
    place = raw
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = mistake["value"]
    found = [(finding.path, str(finding)) for finding in check_stack(raw).errors]
    said = [words for path, words in found if path == mistake["path"]]
    assert any(mistake["words"] in words for words in said), f"errors: {found}"


def test_context_fallbacks_of_unknown_length_in_a_circle_are_refused_once() -> None:
    raw = valid()
    for version in (*raw["models"]["chat"]["versions"].values(), raw["models"]["summary"]["versions"]["tgi"]):
        del version["max_model_len"]
    raw["models"]["chat"]["context_fallback"] = "summary"
    raw["models"]["summary"]["context_fallback"] = "chat"
    found = [error for error in check_stack(raw).errors if "circle" in error.message]
    assert [(error.path, error.message) for error in found] == [
        ("models.chat.context_fallback", "goes in a circle: chat -> summary -> chat")
    ]


@pytest.mark.parametrize(
    ("put", "value"),
    [
        ("gateway.cors_origins", ["https://app.example.com", "http://localhost:3000"]),
        ("gateway.cors_origins", ["*"]),
        ("gateway.redis", {"host": "master.cache.use1.amazonaws.com", "password": "redis_password"}),
        ("gateway.redis", {"host": "fd00::7", "password": "redis_password"}),
        ("models.openai.api_key", "OPENAI_API_KEY"),
        ("models.openai.base_url", "https://api.example.com/v1"),
        ("models.openai.base_url", "http://10.0.0.7:8080"),
        ("gateway.ingress", {"hostname": "*.example.com", "certificate_arn": "arn:aws:acm:..."}),
        ("tenants.search.tokens_per_minute", 100_000),
    ],
)
def test_right_gateway_settings_are_taken(put: str, value: Any) -> None:
    raw = valid()
    *folders, last = put.split(".")
    place = raw
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = value
    assert not check_stack(raw).errors
