"""How long a pod takes from being asked for to serving, part by part, as estimates with a range. Pure."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.catalogue import InstanceType
from planner.data_files import data_file
from planner.ec2_limits import ebs_mib_per_second, gp3_mib_per_second
from planner.estimate import Estimate, exactly, total

Engine = Literal["vllm", "tgi", "ollama", "sglang", "tensorrt-llm"]
Source = Literal["hub", "s3", "shared", "local"]
Phase = Literal["node", "image", "init", "container"]
_GB = 1e9


class StartRequest(BaseModel):
    """What decides how long a start takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Engine
    node: InstanceType
    weights_bytes: int = Field(gt=0)
    """On disk, of the whole model."""
    source: Source
    """hub: downloaded from a registry onto the node. s3: from a bucket. shared: a network file system that
    holds them. local: they lie on the node already."""
    streamer: bool = False
    """Weights go straight to the GPU (runai_streamer); without it they are downloaded from s3 first."""
    disk: Literal["ebs", "nvme"] = "ebs"
    """Where the node keeps images and caches: its EBS volume, or its own NVMe."""
    ebs_mib_per_second: int | None = None
    """Throughput of the node's volume; None = a gp3 for which nothing more is paid."""
    fast_image_pull: bool = False
    """Layers are pulled and unpacked in parallel (SOCI)."""
    image_gigabytes: float | None = None
    """Compressed; None = the engine's official image."""
    eager: bool = False
    """No compilation and no CUDA graphs (--enforce-eager)."""
    compile_cached: bool = False
    """Compiled kernels are kept between starts."""
    download_in_init: bool = False
    """An init container downloads, so that the startup probe does not wait for it (ollama)."""


class Part(BaseModel):
    """One step of a start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    phase: Phase
    seconds: Estimate


class StartEstimate(BaseModel):
    """A start, step by step in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...]

    @property
    def container_seconds(self) -> Estimate:
        """From the start of the engine's container to ready: what the startup probe waits for."""
        return self._sum("container")

    @property
    def pod_seconds(self) -> Estimate:
        """On a node that is there but has no image yet."""
        return self._sum("image", "init", "container")

    @property
    def new_node_seconds(self) -> Estimate:
        """From nothing: the node has to join first."""
        return self._sum("node", "image", "init", "container")

    def _sum(self, *phases: Phase) -> Estimate:
        return total(part.seconds for part in self.parts if part.phase in phases)


def start_estimate(request: StartRequest) -> StartEstimate:
    """Estimate a first start on a new node.

    A range is the sum of every part at its best and of every part at its worst.
    """
    times = _data()
    metal = request.node.name.endswith(".metal")
    node = _estimate(times["node"]["metal_seconds" if metal else "seconds"])
    return StartEstimate(
        parts=(
            Part(name="node joins", phase="node", seconds=node),
            Part(name="image is pulled", phase="image", seconds=_image(request)),
            *_weights(request),
            *_engine(request),
        )
    )


def restart(request: StartRequest) -> StartRequest:
    """The same pod once more on its node, with what its cache keeps: weights on disk and compiled kernels."""
    return request.model_copy(update={"source": "local", "compile_cached": True})


def _image(request: StartRequest) -> Estimate:
    times = _data()["image"]
    rate = _estimate(times["pull_gb_per_second"]["fast" if request.fast_image_pull else "plain"])
    if request.image_gigabytes is not None:
        return rate.inverse(request.image_gigabytes)
    size = _estimate(times["gigabytes"][request.engine])
    return Estimate(low=size.low / rate.high, likely=size.likely / rate.likely, high=size.high / rate.low)


def _weights(request: StartRequest) -> list[Part]:
    """Download to the node, where there is one, and load into the GPU."""
    streamed = request.streamer and request.source in ("s3", "shared")
    if request.source in ("local", "shared") or streamed:
        return [_load(request, _storage(request))]
    network = _network(request)
    rate = _slowest(network, _disk(request))
    phase: Phase = "init" if request.download_in_init else "container"
    download = Part(
        name="weights are downloaded", phase=phase, seconds=rate.inverse(request.weights_bytes / _GB)
    )
    return [download, _load(request, _read_back(request))]


def _load(request: StartRequest, storage: Estimate) -> Part:
    loader = "streamer" if request.streamer else "loader"
    rate = _slowest(_estimate(_data()["weights"][f"{loader}_gb_per_second"]), storage)
    return Part(
        name="weights are loaded", phase="container", seconds=rate.inverse(request.weights_bytes / _GB)
    )


def _engine(request: StartRequest) -> list[Part]:
    times = _data()["engine"][request.engine]
    parts = [Part(name="engine initialises", phase="container", seconds=_estimate(times["initialise"]))]
    if "compile" in times and not request.eager:
        kind = "compile_from_cache" if request.compile_cached else "compile"
        parts.append(Part(name="kernels are compiled", phase="container", seconds=_estimate(times[kind])))
    if "capture_graphs" in times and not request.eager:
        graphs = _estimate(times["capture_graphs"])
        parts.append(Part(name="CUDA graphs are captured", phase="container", seconds=graphs))
    return parts


def _network(request: StartRequest) -> Estimate:
    """GB/s at which weights reach the node."""
    weights = _data()["weights"]
    wire = request.node.network_gbps / 8
    if request.source == "s3":
        return _estimate(weights["s3_share_of_network"]).scaled(wire)
    return _estimate(weights["hub_gb_per_second"]).capped(wire)


def _storage(request: StartRequest) -> Estimate:
    """GB/s at which weights that are not downloaded first are read."""
    if request.source == "s3":
        return _network(request)
    if request.source == "shared":
        rate = _estimate(_data()["weights"]["shared_gb_per_second"])
        return rate.capped(request.node.network_gbps / 8)
    return _disk(request)


def _disk(request: StartRequest) -> Estimate:
    """GB/s of the node's disk: the NVMe's, or what both the volume and the machine allow."""
    if request.disk == "nvme":
        return _estimate(_data()["weights"]["nvme_gb_per_second"])
    volume: float = gp3_mib_per_second() if request.ebs_mib_per_second is None else request.ebs_mib_per_second
    machine = ebs_mib_per_second(request.node.name)
    return exactly(min(volume, machine or volume) * 2**20 / _GB)


def _read_back(request: StartRequest) -> Estimate:
    """GB/s of weights just written: from the page cache at best, from disk at worst.

    Likely the cache, where the weights take no more than half of the node's memory.
    """
    disk = _disk(request)
    unlimited = float("inf")
    cached = request.weights_bytes <= request.node.memory_gib * 2**30 / 2
    return Estimate(low=disk.low, likely=unlimited if cached else disk.likely, high=unlimited)


def _slowest(one: Estimate, other: Estimate) -> Estimate:
    """The rate of two in a row: the slower one's."""
    return Estimate(
        low=min(one.low, other.low), likely=min(one.likely, other.likely), high=min(one.high, other.high)
    )


def _estimate(row: dict[str, float]) -> Estimate:
    return Estimate(**row)


def _data() -> dict[str, Any]:
    data: dict[str, Any] = data_file("start_times.yaml")
    return data
