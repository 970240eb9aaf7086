"""The register of rules: complete, and what docs/rules.md says."""

import os
import re
from pathlib import Path

import pytest

from planner import engine_advice
from planner.data_files import data_file, package_file
from planner.rules import rules, rules_table
from tests.stack_files import ROOT

GENERATED = "<!-- From here on generated: make snap -->\n"
PAGES = {"docs/rules.md": rules_table, "docs/engine-advice.md": engine_advice.profiles_table}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_the_data_says(page: str) -> None:
    path, made = ROOT / page, PAGES[page]()
    written, mark, _ = path.read_text(encoding="utf-8").partition(GENERATED)
    assert mark, f"{page} has lost the line after which it is generated"
    whole = written + mark + "\n" + made
    if os.environ.get("LLMSERVE_SNAP") == "1":
        path.write_text(whole, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == whole, f"{page} is not what the data says; `make snap`"


def test_every_id_that_the_planner_s_code_gives_is_a_row_of_the_register() -> None:
    given: set[str] = set()
    for path in (ROOT / "planner").rglob("*.py"):
        given |= set(re.findall(r"""\bid=f?"([a-z0-9-]+)\"""", path.read_text(encoding="utf-8")))
    assert given
    assert given <= set(rules())


def test_every_row_says_what_holds_and_where_it_comes_from() -> None:
    for rule in rules().values():
        assert rule.says
        assert rule.source
        assert re.fullmatch(r"[A-G]\d+(, [A-G]\d+)*", rule.requirement), rule.id


def test_a_rule_that_weighs_the_same_everywhere_has_no_weight_by_environment() -> None:
    with pytest.raises(TypeError, match="drain-exceeds-grace has the same severity everywhere: error"):
        rules()["drain-exceeds-grace"].weight("production")


def test_the_register_is_read_from_the_package_and_not_from_the_folder_it_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data_file.cache_clear()
    package_file.cache_clear()
    rules.cache_clear()
    assert "drain-exceeds-grace" in rules()
