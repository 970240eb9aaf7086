import difflib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from release import stack_file
from release.errors import ReleaseError
from tests.stack_files import ROOT

FLOW = (ROOT / "Pulumi.local.yaml").read_text(encoding="utf-8")
BLOCK = """\
# head
config:
  "llmserve:settings":
    models:
      chat:   # talks
        traffic:
          "one": 90    # the old one
          # between
          two: 10
        versions: {one: {}, two: {}}

      other:
        traffic: {one: 90, two: 10}
"""
NAMES = ("one", "two", "three", "v4-fp8")


def read(text: str, model: str = "chat") -> dict[str, int]:
    found: dict[str, int] = yaml.safe_load(text)["config"]["llmserve:settings"]["models"][model]["traffic"]
    return found


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_only_the_line_of_the_weights_changes_in_the_laptops_stack_file() -> None:
    after = stack_file.set_weights(FLOW, "chat", {"qwen3-8b": 0, "qwen3-8b-fp8": 100})
    assert changed_lines(FLOW, after) == [
        "-        traffic: {qwen3-8b: 90, qwen3-8b-fp8: 10}",
        "+        traffic: {qwen3-8b: 0, qwen3-8b-fp8: 100}",
    ]


def test_comments_quotes_and_other_models_stay_in_block_style() -> None:
    after = stack_file.set_weights(BLOCK, "chat", {"one": 50, "two": 25, "three": 25})
    assert changed_lines(BLOCK, after) == [
        '-          "one": 90    # the old one',
        '+          "one": 50    # the old one',
        "-          two: 10",
        "+          two: 25",
        "+          three: 25",
    ]
    assert read(after, "other") == {"one": 90, "two": 10}


shares = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), min_size=1)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(before=shares, after=shares, flow=st.booleans(), end=ENDS, last=st.booleans())
def test_any_weights_can_be_written_and_taken_back_to_the_byte(
    before: dict[str, int], after: dict[str, int], flow: bool, end: str, last: bool
) -> None:
    after = {**dict.fromkeys(before, 0), **after}  # as the promoter asks: what was there stays
    if flow:
        lines = ["        traffic: {" + ", ".join(f"{k}: {v}" for k, v in before.items()) + "}  # weights"]
    else:
        lines = ["        traffic:", *(f"          {k}: {v}  # {k}" for k, v in before.items())]
    tail = [] if last else ["        fallbacks: [x]  # end", ""]
    head = ["config:", "  llmserve:settings:", "    models:", "      chat:"]
    text = end.join([*head, *lines, *tail])
    there = stack_file.set_weights(text, "chat", after)
    assert read(there) == after == stack_file.weights(there, "chat")
    for line in (*head, *tail):
        assert line in there.split(end)
    assert stack_file.set_weights(there, "chat", before) == text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{one: 90, two: 10}", "&t {one: 90, two: 10}", "models.other.traffic: carries an anchor"),
        ("traffic: {one: 90, two: 10}", "versions: {}", "models.other.traffic: stands not once but 0 times"),
        ("      other:", "      more: *o\n      other: &o", "is not YAML"),
        ("      other:", "      other: &o", "models.other: carries an anchor"),
        ("{one: 90, two: 10}", "{<<: {one: 100}}", "models.other.traffic: is no mapping of its own"),
        ("{one: 90, two: 10}", "90", "models.other.traffic: is no mapping of its own"),
        ("{one: 90, two: 10}", "{one: most}", "models.other.traffic.one: 'most' is no percent"),
        ("{one: 90, two: 10}", "{one: 90", "is not YAML"),
    ],
)
def test_weights_that_do_not_stand_for_themselves_are_refused_by_path(old: str, new: str, words: str) -> None:
    with pytest.raises(ReleaseError, match=words.replace("{", r"\{")):
        stack_file.weights(BLOCK.replace(old, new), "other")


def test_the_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("old")
    path.chmod(0o640)
    stack_file.write(path, "new\r\n")
    assert stack_file.read(path) == "new\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["Pulumi.x.yaml"]
