"""Where a model fits: every EC2 GPU type, and the number of its GPUs one replica would take."""

from typing import NamedTuple

from planner.catalogue import InstanceType, catalogue
from planner.memory.changes import instance_gpu
from planner.memory.compatibility import tensor_parallel_fits
from planner.memory.estimate import estimate
from planner.memory.launch import on_instance
from planner.memory.request import MemoryEstimate, MemoryRequest

_SIZES = (1, 2, 4, 8)


class Placement(NamedTuple):
    """One replica on one EC2 type."""

    instance: InstanceType
    tensor_parallel: int
    estimate: MemoryEstimate

    @property
    def usd_per_hour(self) -> float | None:
        """Its share of the machine's price: of an eight-GPU machine, four GPUs cost half."""
        price = self.instance.usd_per_hour
        return None if price is None else price * self.tensor_parallel / self.instance.gpus


def placements(request: MemoryRequest) -> list[Placement]:
    """Return, for every GPU type, the smallest tensor parallelism that fits, else the largest possible one.

    What fits comes first, cheapest share first; then what is too close to call, then what does not fit. Types
    without a listed price come last of their kind.
    """
    found = [
        place
        for instance in catalogue().values()
        if instance.gpus and (place := _best(request, instance)) is not None
    ]
    order = {"fits": 0, "uncertain": 1, "does_not_fit": 2}
    return sorted(found, key=lambda place: (order[place.estimate.verdict], *_price(place)))


def _best(request: MemoryRequest, instance: InstanceType) -> Placement | None:
    gpu = instance_gpu(instance)
    if gpu is None:
        return None
    best = None
    for size in _SIZES:
        if size * request.pipeline_parallel > instance.gpus or not tensor_parallel_fits(request, size):
            continue
        asked = on_instance(request, instance, gpu).model_copy(update={"tensor_parallel": size})
        best = Placement(instance, size, estimate(asked))
        if best.estimate.verdict == "fits":
            break
    return best


def _price(place: Placement) -> tuple[float, str]:
    price = place.usd_per_hour
    return (float("inf") if price is None else price, place.instance.name)
