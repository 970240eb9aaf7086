"""Pools of nodes: what kind, how many, how bought. On an existing cluster they only describe its nodes."""

from typing import Annotated, Literal

from pydantic import Field

from infra.stackfile.base import PositiveInt, Settings
from planner.eks import ImageName
from planner.quota import Capacity


class TaintSettings(Settings):
    """A further taint of a pool's nodes; GPU nodes always carry nvidia.com/gpu."""

    key: str
    """Key of the taint."""
    value: str = "true"
    """Value of the taint."""
    effect: Literal["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"]
    """What it does to pods without a toleration, spelled as EKS does."""


class DiskSettings(Settings):
    """The encrypted gp3 volume of a node; images and caches lie on local NVMe where a type has it."""

    size_gib: Annotated[int, Field(ge=20, le=16_384)] = 100
    """Size, GiB."""
    iops: Annotated[int, Field(ge=3000, le=16_000)] | None = None
    """Operations per second; None = 3,000 beside NVMe, else 4,000."""
    throughput_mib_per_second: Annotated[int, Field(ge=125, le=1000)] | None = None
    """Throughput; None = 125 beside NVMe, else 1,000: images of engines have many GiB."""


class PoolSettings(Settings):
    """Nodes of one kind, labelled `llmserve.dev/pool: <name>`."""

    instance_type: str
    """EC2 instance type of the catalogue; gives GPUs, CPU and memory of a node."""
    min: Annotated[int, Field(ge=0)] = 0
    """Fewest nodes."""
    max: PositiveInt
    """Most nodes. The laptop, which has no autoscaler, makes this many."""
    other_instance_types: tuple[str, ...] = ()
    """Types a spot pool may also take; each with the same GPUs and no less of anything (eks)."""
    capacity: Capacity = "on-demand"
    """How nodes are bought. capacity-block and reservation need `reservation_id` (eks)."""
    reservation_id: Annotated[str, Field(pattern=r"^cr-[0-9a-f]{8,17}$")] | None = None
    """The capacity block or on-demand reservation (eks)."""
    zones: tuple[str, ...] = ()
    """Availability zones of the nodes; empty = all of the cluster's (eks)."""
    image: ImageName = "al2023"
    """Operating system. bottlerocket brings its own device plugin (eks)."""
    image_release: str | None = None
    """Release of the image; None = the pinned one, or EKS' newest when the pool is made (eks)."""
    disk: DiskSettings = Field(default_factory=DiskSettings)
    """The node's volume (eks)."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the nodes (eks)."""
    taints: tuple[TaintSettings, ...] = ()
    """Further taints of the nodes (eks)."""
    efa: bool = False
    """Elastic Fabric Adapter and a placement group, for models that span nodes (eks)."""
    node_repair: bool = True
    """Replace nodes whose GPU or kubelet fails (eks)."""
