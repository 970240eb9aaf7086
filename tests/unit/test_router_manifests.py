"""vLLM's router before the replicas of a version."""

import json
from typing import Any

import pytest
import yaml

from components.engines import adapter
from components.serving.manifests import network_policy as engine_policy
from components.serving.router_manifests import router_manifests
from components.serving.router_pod import ENGINE_PORT, arguments, router_selector
from components.spec import VersionSpec
from infra.checking import check_stack
from infra.resolve import version_specs
from infra.resolve_gateway import gateway_model
from infra.stackfile.stack import StackSettings
from tests.snapshot import assert_snapshot
from tests.stack_files import valid
from tests.unit.strategies import engine_spec, router_spec, version_spec

ROUTER = router_spec()
VERSION = version_spec(router=ROUTER)


def pod(version: VersionSpec = VERSION) -> dict[str, Any]:
    made = router_manifests(version, version.router or ROUTER)
    return made["deployment"]["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def test_manifests_are_those_of_the_golden_file() -> None:
    plain = json.loads(json.dumps(list(router_manifests(VERSION, ROUTER).values())))
    assert_snapshot("versions/router.yaml", yaml.safe_dump_all(plain, sort_keys=False, width=110))


def test_it_asks_only_the_pods_of_its_own_version_at_their_port() -> None:
    words = " ".join(arguments(VERSION, ROUTER))
    assert "--selector app.kubernetes.io/name=engine app.kubernetes.io/instance=chat-v1 --service" in words
    assert f"--service-discovery-namespace llmserve --service-discovery-port {ENGINE_PORT}" in words
    assert adapter("vllm").container(engine_spec("vllm")).port == ENGINE_PORT


def test_a_stream_outlives_its_router() -> None:
    """preStop, then the longest stream, then a margin."""
    assert pod()["terminationGracePeriodSeconds"] == 15 + 300 + 15
    assert pod()["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 15}}}
    assert "--request-timeout-secs 300" in " ".join(pod()["containers"][0]["args"])


def test_the_engine_lets_its_router_in_and_no_other() -> None:
    def callers(version: VersionSpec) -> list[Any]:
        return engine_policy(version)["spec"]["ingress"][0]["from"]  # type: ignore[no-any-return]

    routed, plain = callers(VERSION), callers(version_spec())
    assert [each for each in routed if each not in plain] == [
        {"podSelector": {"matchLabels": router_selector(VERSION)}}
    ]


@pytest.mark.parametrize(
    ("version", "scaling", "routed"),
    [
        ({"engine": "vllm"}, {"min": 1, "max": 2}, True),
        ({"engine": "vllm"}, {"min": 1, "max": 1}, False),
        ({"engine": "vllm", "replicas": 2}, None, True),
        ({"engine": "vllm"}, None, False),
        ({"engine": "sglang"}, {"min": 1, "max": 2}, False),
    ],
)
def test_a_router_stands_before_several_replicas_of_vllm_and_the_gateway_asks_it(
    version: dict[str, Any], scaling: dict[str, int] | None, routed: bool
) -> None:
    raw = valid()
    chat = raw["models"]["chat"]
    chat["versions"]["v1"] |= version
    chat |= {"balancing": {}, "scaling": scaling}
    settings = StackSettings(**raw)
    spec = next(spec for spec in version_specs(settings) if spec.name == "chat-v1")
    assert (spec.router is not None) is routed
    route = next(route for route in gateway_model(settings).routes if route.name == "chat")
    address = next(backend.base_url for backend in route.backends if backend.id == "chat-v1")
    assert address == f"http://chat-v1{'-router' if routed else ''}"


def test_balancing_without_effect_is_told() -> None:
    raw = valid()
    raw["models"]["chat"] |= {"balancing": {}, "scaling": None}
    found = [str(each) for each in check_stack(raw).findings if each.path == "models.chat.balancing"]
    assert "no version runs vllm with more than one replica" in found[0]


def test_names_that_meet_those_of_a_router_are_refused() -> None:
    raw = valid()
    versions = raw["models"]["chat"]["versions"]
    versions["v1-router"] = dict(versions["v2"])
    raw["models"]["chat"] |= {"balancing": {}}
    paths = {error.path for error in check_stack(raw).errors}
    assert "models.chat.versions.v1-router" in paths


def test_a_name_too_long_for_its_router_is_refused() -> None:
    raw = valid()
    chat = raw["models"]["chat"]
    long = "v" * 38
    chat["versions"][long] = chat["versions"].pop("v2")
    chat |= {"balancing": {}, "traffic": {"v1": 90, long: 10}}
    told = [error for error in check_stack(raw).errors if error.path == "models.chat.balancing"]
    assert "characters" in told[0].message
