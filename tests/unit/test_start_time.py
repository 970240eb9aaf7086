"""Start estimates: hand-computed numbers, and published measurements the ranges must hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalogue import catalogue
from planner.ec2_limits import ebs_mib_per_second
from planner.start_time import StartRequest, restart, start_estimate

GPU_TYPES = sorted(name for name, item in catalogue().items() if item.gpus)


def request(node: str = "g6.2xlarge", **fields: Any) -> StartRequest:
    defaults = {"engine": "vllm", "weights_bytes": 16_000_000_000, "source": "hub"}
    return StartRequest(node=catalogue()[node], **defaults | fields)


def likely(asked: StartRequest) -> dict[str, float]:
    return {part.name: part.seconds.likely for part in start_estimate(asked).parts}


def test_the_parts_are_those_of_a_hand_computation() -> None:
    # 9 GB at 0.043; 16 GB by 125 MiB/s = 0.131 GB/s; loaded from the page cache at 1 GB/s, since 16 GB are
    # less than half of 32 GiB
    assert likely(request()) == pytest.approx(
        {
            "node joins": 60,
            "image is pulled": 209.3,
            "weights are downloaded": 122.07,
            "weights are loaded": 16,
            "engine initialises": 45,
            "kernels are compiled": 55,
            "CUDA graphs are captured": 30,
        },
        rel=1e-3,
    )


def test_each_sum_covers_its_phases() -> None:
    found = start_estimate(request())

    assert found.container_seconds.likely == pytest.approx(268.07, rel=1e-3)
    assert found.pod_seconds.likely == pytest.approx(268.07 + 209.3, rel=1e-3)
    assert found.new_node_seconds.likely == pytest.approx(268.07 + 209.3 + 60, rel=1e-3)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        # a volume of 1000 MiB/s behind a machine of 5000 Mbps = 596 MiB/s: the hub's 0.3 GB/s is the limit
        ({"ebs_mib_per_second": 1000}, 16 / 0.3),
        # the NVMe takes more than the hub gives
        ({"disk": "nvme"}, 16 / 0.3),
        # S3 without a streamer, onto a slow volume
        ({"source": "s3"}, 16 / 0.131072),
        # S3 without a streamer onto NVMe: 0.65 x 5 Gbps
        ({"source": "s3", "disk": "nvme"}, 16 / (0.65 * 0.625)),
    ],
)
def test_the_slowest_of_network_and_disk_decides_a_download(fields: dict[str, Any], seconds: float) -> None:
    assert likely(request(**fields))["weights are downloaded"] == pytest.approx(seconds, rel=1e-3)


def test_a_streamer_downloads_nothing() -> None:
    parts = likely(request("g6e.4xlarge", source="s3", streamer=True))

    assert "weights are downloaded" not in parts
    # 0.65 x 20 Gbps = 1.625 GB/s, less than the streamer's 3
    assert parts["weights are loaded"] == pytest.approx(16 / 1.625)


def test_weights_larger_than_half_the_memory_are_read_from_disk_again() -> None:
    parts = likely(request(weights_bytes=20_000_000_000))
    assert parts["weights are loaded"] == pytest.approx(20 / 0.131072, rel=1e-3)


def test_a_restart_finds_weights_and_kernels_on_its_node() -> None:
    parts = likely(restart(request(disk="nvme")))

    assert "weights are downloaded" not in parts
    assert parts["kernels are compiled"] == 8
    assert parts["weights are loaded"] == pytest.approx(16)


def test_eager_mode_compiles_and_captures_nothing() -> None:
    assert {"kernels are compiled", "CUDA graphs are captured"}.isdisjoint(likely(request(eager=True)))


def test_an_init_container_takes_the_download_off_the_startup_probe() -> None:
    plain = start_estimate(request(engine="ollama"))
    init = start_estimate(request(engine="ollama", download_in_init=True))

    assert init.pod_seconds == plain.pod_seconds
    assert init.container_seconds.likely == pytest.approx(plain.container_seconds.likely - 122.07, rel=1e-3)


def test_a_metal_type_takes_minutes_to_join() -> None:
    assert likely(request("g4dn.metal"))["node joins"] == 420


def test_a_given_image_size_replaces_the_engines() -> None:
    assert likely(request(image_gigabytes=4.3))["image is pulled"] == pytest.approx(100)


RUNAI = 15_000_000_000
AWQ_7B = 4_100_000_000
MEASURED = [
    pytest.param(
        request("g6e.4xlarge", weights_bytes=10_400_000_000, source="s3", streamer=True),
        "weights are loaded", 5, id="EKS user guide: 10.4 GB by streamer",
    ),
    pytest.param(
        request("g6e.4xlarge", image_gigabytes=8.8, fast_image_pull=True),
        "image is pulled", 48, id="EKS user guide: 8.8 GB image with SOCI",
    ),
    pytest.param(
        request("g5.12xlarge", weights_bytes=RUNAI, source="local", ebs_mib_per_second=1000),
        "weights are loaded", 47.99, id="Run:ai: 15 GB from gp3, default loader",
    ),
    pytest.param(
        request("g5.12xlarge", weights_bytes=RUNAI, source="local", ebs_mib_per_second=1000, streamer=True),
        "weights are loaded", 14.34, id="Run:ai: 15 GB from gp3, streamer",
    ),
    pytest.param(request(), "image is pulled", 210, id="chrismld: vLLM image in 3 to 4 min"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "part", "seconds"), MEASURED)
def test_the_range_of_a_part_holds_what_was_measured(asked: StartRequest, part: str, seconds: float) -> None:
    (found,) = [p for p in start_estimate(asked).parts if p.name == part]
    assert found.seconds.low * 0.99 <= seconds <= found.seconds.high * 1.01


STARTS = [
    pytest.param(
        request(
            weights_bytes=AWQ_7B, source="s3", streamer=True, fast_image_pull=True, compile_cached=True
        ),
        "new_node_seconds", 142, id="chrismld log: node 47 + image 44 + vLLM 51",
    ),
    pytest.param(request(weights_bytes=AWQ_7B), "new_node_seconds", 420, id="chrismld: 6 to 8 min plain"),
    pytest.param(
        request("g6e.2xlarge", weights_bytes=28_000_000_000, source="local", disk="nvme"),
        "container_seconds", 200, id="MariusWilsch: a 14B, 7 + 53 + 63 + 77 s",
    ),
    pytest.param(
        request(source="local", disk="nvme"), "container_seconds", 86, id="dirien: warm start of an 8B",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "sum_of", "seconds"), STARTS)
def test_the_range_of_a_start_holds_what_was_measured(
    asked: StartRequest, sum_of: str, seconds: float
) -> None:
    assert seconds in getattr(start_estimate(asked), sum_of)


@given(
    node=st.sampled_from(GPU_TYPES),
    source=st.sampled_from(["hub", "s3", "shared", "local"]),
    engine=st.sampled_from(["vllm", "tgi", "ollama", "sglang", "tensorrt-llm"]),
    streamer=st.booleans(),
    disk=st.sampled_from(["ebs", "nvme"]),
    size=st.integers(1, 10**12),
)
def test_every_start_takes_a_finite_time_that_grows_with_the_weights(size: int, **fields: Any) -> None:
    smaller = start_estimate(request(weights_bytes=size, **fields)).new_node_seconds
    larger = start_estimate(request(weights_bytes=2 * size, **fields)).new_node_seconds

    assert 0 < smaller.low <= smaller.likely <= smaller.high < float("inf")
    assert smaller.low <= larger.low
    assert smaller.high <= larger.high


def test_disk_limits_name_only_types_of_the_catalogue() -> None:
    without = {name for name in GPU_TYPES if ebs_mib_per_second(name) is None}
    assert {name.split(".")[0] for name in without} == {"g7", "g7e", "p6-b300"}
    assert ebs_mib_per_second("g6.2xlarge") == pytest.approx(596.05, rel=1e-4)
