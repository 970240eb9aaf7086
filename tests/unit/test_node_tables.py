"""Small pure parts of the node: metrics text, queries, volumes from claims, images, published folders."""

from pathlib import Path

import pytest

from components.engines.table import release, table
from components.spec import EngineName
from local.node.images import ImageError, Images
from local.node.metrics_api import plain_selector, query, series_sum
from local.node.probes import quick
from local.node.storage import volume_for
from local.node.volumes import publish

TABLE = Path(__file__).parent.parent.parent / "local" / "node" / "images.yaml"
METRICS = """# HELP vllm:waiting x
vllm:waiting{engine="0",model="a b"} 3.0
vllm:waiting{engine="1",model="}"} 2
plain 7 1700000000
"""


@pytest.mark.parametrize(("metric", "value"), [("vllm_waiting", 5), ("plain", 7), ("vllm_wait", None)])
def test_series_are_summed_and_colons_are_underscores(metric: str, value: float | None) -> None:
    assert series_sum(METRICS, metric) == value


def test_an_external_metric_is_a_query_for_its_series() -> None:
    assert query("m", "models", "workload=chat-v1") == 'max(m{namespace="models",workload="chat-v1"})'


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        ("app=web", {"app": "web"}),
        ("app=web,tier==front", {"app": "web", "tier": "front"}),
        ("app in (web,api)", None),
        ("app!=web", None),
        ("!app", None),
        ("app", None),
    ],
)
def test_a_selector_of_equalities_is_read_here_and_any_other_left_to_the_api_server(
    text: str, labels: dict[str, str] | None
) -> None:
    assert plain_selector(text) == labels


def test_startup_probes_ask_more_often_within_the_same_budget() -> None:
    assert quick({"periodSeconds": 10, "failureThreshold": 60}) == {
        "periodSeconds": 1,
        "failureThreshold": 600,
    }


def test_a_volume_belongs_to_the_one_claim_it_was_made_for() -> None:
    claim = {
        "metadata": {"name": "data", "namespace": "n", "uid": "u"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "efs",
            "resources": {"requests": {"storage": "5Gi"}},
        },
    }
    volume = volume_for(claim)
    assert volume["metadata"]["name"] == "pvc-u"
    assert volume["spec"]["capacity"] == {"storage": "5Gi"}
    assert volume["spec"]["storageClassName"] == "efs"
    assert volume["spec"]["claimRef"]["uid"] == "u"


@pytest.mark.parametrize("engine", ["vllm", "tgi", "ollama", "sglang", "tensorrt-llm"])
def test_the_official_image_of_every_simulated_engine_is_allowed(tmp_path: Path, engine: EngineName) -> None:
    image = release(engine, table(engine).default).image
    found = Images(TABLE, tmp_path, {}).find(image)
    folder = Path(found.environment["PATH"].split(":")[0])
    assert all((folder / program).is_file() for program in found.entrypoint)
    assert found.environment["SIM_ENGINE_VERSION"] == table(engine).default


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.28.0", "0.28.0"),
        ("docker.io/vllm/vllm-openai:v0.28.0-cu130", "0.28.0"),
        ("vllm/vllm-openai:v0.28.0@sha256:ab", "0.28.0"),
        ("vllm/vllm-openai:latest", None),
        ("vllm/vllm-openai@sha256:ab", None),
    ],
)
def test_an_engine_pretends_to_be_the_release_its_tag_names(
    tmp_path: Path, image: str, version: str | None
) -> None:
    assert Images(TABLE, tmp_path, {}).find(image).environment.get("SIM_ENGINE_VERSION") == version


def test_an_unknown_image_is_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"image nginx:1 stands for no local program.*vllm/vllm-openai"):
        Images(TABLE, tmp_path, {}).find("nginx:1")


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    table.write_text("images: [{name: x, match: x, programs: {p: [/nonexistent/p]}, entrypoint: [p]}]")
    with pytest.raises(ImageError, match="p: /nonexistent/p is not there"):
        Images(table, tmp_path, {}).find("x")


def test_a_published_folder_changes_all_at_once_and_only_when_it_must(tmp_path: Path) -> None:
    publish(tmp_path, {"a": b"1", "sub/b": b"2"})
    first = (tmp_path / "..data").resolve()
    publish(tmp_path, {"a": b"1", "sub/b": b"2"})
    assert (tmp_path / "..data").resolve() == first
    publish(tmp_path, {"a": b"new"})
    assert (tmp_path / "a").read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("..")) == ["a"]
    assert not first.exists()


def test_a_program_of_this_machine_can_take_the_place_of_a_simulated_one(tmp_path: Path) -> None:
    real = tmp_path / "ollama"
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    image = release("ollama", table("ollama").default).image
    found = Images(TABLE, tmp_path / "images", {"ollama": str(real)}).find(image)
    launcher = Path(found.environment["PATH"].split(":")[0]) / "ollama"
    assert launcher.read_text() == f'#!/bin/sh\nexec {real} "$@"\n'
