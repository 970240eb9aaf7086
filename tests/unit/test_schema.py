"""The exported JSON Schema is that of the settings, and editors that use it accept our stack files."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from infra.checking import json_schema
from tests.stack_files import ROOT, STACKS, valid, with_value, without


def validate(settings: dict[str, Any]) -> list[str]:
    stack = {"config": {"llmserve:settings": settings}}
    return [error.json_path for error in Draft202012Validator(json_schema()).iter_errors(stack)]


def test_the_exported_file_is_up_to_date() -> None:
    exported = json.loads((ROOT / "docs/stack.schema.json").read_text(encoding="utf-8"))
    assert exported == json.loads(json.dumps(json_schema())), "run `make schema`"


@pytest.mark.parametrize("stack", STACKS)
def test_each_stack_file_names_the_schema_and_fits_it(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=docs/stack.schema.json\n")
    assert validate(yaml.safe_load(text)["config"]["llmserve:settings"]) == []


def test_an_editor_sees_unknown_keys_wrong_types_and_missing_fields() -> None:
    assert validate(valid()) == []
    assert validate(with_value("modles", {})) != []
    assert validate(with_value("pools.l4.max", "4")) != []
    assert validate(without("models.chat.versions.v1.pool")) != []
    assert validate(with_value("models.chat.versions.v1.max_len", 1)) != []


def test_every_field_has_a_description() -> None:
    for name, definition in json_schema()["$defs"].items():
        for field, schema in definition["properties"].items():
            assert schema.get("description"), f"{name}.{field}"
