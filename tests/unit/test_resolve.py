"""From the stack file to specs: presets, derived sizes, routes. Exact values."""

import pytest

from components.spec import Resources, VersionSpec
from infra.checking import check_settings
from infra.resolve import namespace_spec, version_specs
from infra.resolve_gateway import gateway_spec, ingress_spec
from infra.stackfile.stack import StackSettings
from tests.stack_files import valid, with_value

VERSION = "models.chat.versions.v1"


def settings(*changes: tuple[str, object]) -> StackSettings:
    raw = valid()
    for path, value in changes:
        with_value(path, value, raw)
    parsed, findings = check_settings(raw)
    assert parsed is not None
    assert [str(f) for f in findings if f.severity == "error"] == []
    return parsed


def version(*changes: tuple[str, object]) -> VersionSpec:
    return version_specs(settings(*changes))[0]


def test_a_pod_takes_its_gpus_share_of_the_node() -> None:
    # g6.2xlarge: 7910m and 29317 MiB for pods, one GPU; 75 % and 85 % of it, rounded down to 100m and 256 MiB
    assert version().resources == Resources(
        cpu_millicores=5900, memory_mib=24832, memory_limit_mib=24832, gpus=1
    )


def test_two_gpus_of_four_take_half_the_share() -> None:
    # g6.12xlarge: 47810m and 178933 MiB, four GPUs
    spec = version(("pools.l4.instance_type", "g6.12xlarge"), (f"{VERSION}.tensor_parallel", 2))
    assert spec.resources == Resources(cpu_millicores=17900, memory_mib=76032, memory_limit_mib=76032, gpus=2)
    assert spec.shm_gib == 8


def test_what_is_given_is_taken_as_it_is() -> None:
    spec = version((f"{VERSION}.cpu", 2.5), (f"{VERSION}.memory_gib", 10), (f"{VERSION}.shm_gib", 0))
    assert spec.resources.cpu_millicores == 2500
    assert spec.resources.memory_mib == 10240
    assert spec.shm_gib == 0


def test_draining_lasts_as_long_as_the_longest_stream_unless_said_otherwise() -> None:
    assert version().engine.drain_seconds == 300
    assert version(("gateway.longest_stream_seconds", 120)).engine.drain_seconds == 120
    assert version((f"{VERSION}.drain_seconds", 0)).engine.drain_seconds == 0
    assert version().grace_seconds == 15 + 300 + 15


def test_a_scaled_version_has_no_count_and_another_has_one() -> None:
    first, _, summary = version_specs(settings())
    assert first.replicas is None
    assert first.scaling is not None
    assert (first.scaling.min, first.scaling.max) == (1, 2)
    assert (summary.replicas, summary.scaling) == (1, None)


def test_the_textbook_preset_gives_the_source_documents_numbers() -> None:
    parsed = settings(("preset", "textbook"), ("gateway.request_timeout_seconds", None))
    scaling = version_specs(parsed)[0].scaling
    assert scaling is not None
    assert {metric.name: metric.target for metric in scaling.metrics} == {
        "cpu": 70,
        "vllm_num_requests_waiting": 30,
    }, "requirements E2"
    assert (scaling.up.stabilization_seconds, scaling.up.pods, scaling.up.period_seconds) == (120, 2, 60)
    assert (scaling.down.stabilization_seconds, scaling.down.pods, scaling.down.period_seconds) == (
        300,
        1,
        120,
    )
    gateway = gateway_spec(parsed)
    assert gateway.model.request_timeout_seconds == 30, "requirements D8"
    assert gateway.model.retries == 2, "requirements D8"
    assert gateway.model.tenants[0].requests_per_minute == 60, "requirements D2"


def test_an_engine_preset_fills_what_the_version_leaves_out() -> None:
    engine = version((f"{VERSION}.preset", "quantized")).engine
    assert engine.quantization == "awq"
    assert engine.gpu_memory_utilization == 0.85, "requirements C1"
    assert engine.max_model_len == 8192, "the version's own number wins"


def test_the_only_version_gets_all_traffic_and_versions_without_traffic_are_standby() -> None:
    routes = {route.name: route for route in gateway_spec(settings()).model.routes}
    assert [(b.id, b.weight) for b in routes["chat"].backends] == [("chat-v1", 90), ("chat-v2", 10)]
    assert [(b.id, b.weight) for b in routes["summary"].backends] == [("summary-tgi", 100)]
    moved = settings(("models.chat.traffic", {"v2": 100}))
    chat = gateway_spec(moved).model.routes[0]
    assert [b.id for b in chat.backends] == ["chat-v2"]
    assert [b.id for b in chat.standby] == ["chat-v1"]


def test_the_namespace_holds_every_workload_at_its_maximum_twice_over() -> None:
    parsed = settings()
    versions, gateway = version_specs(parsed), gateway_spec(parsed)
    namespace = namespace_spec(parsed, versions, gateway)
    # chat: two versions of up to two pods; summary: one; gateway: up to four without GPU
    assert namespace.gpus == 2 * (2 + 2 + 1)
    assert namespace.pods == 2 * (2 + 2 + 1 + 4)
    assert namespace.cpu_millicores == 2 * (5 * 5900 + 4 * (1000 + 50))


@pytest.mark.parametrize(
    ("ingress", "expected"),
    [(None, None), ({"hostname": "h", "class_name": "nginx", "tls_secret": "t"}, 300)],
)
def test_the_ingress_waits_as_long_as_the_longest_stream(ingress: object, expected: int | None) -> None:
    spec = ingress_spec(settings(("gateway.ingress", ingress)))
    assert (spec.idle_timeout_seconds if spec else None) == expected
