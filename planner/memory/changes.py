"""The smallest changes of settings, one at a time, that would make a configuration fit."""

from collections.abc import Iterator
from typing import Any

from planner.catalogue import InstanceType, catalogue
from planner.gpus import Gpu, find_gpu
from planner.memory.compatibility import tensor_parallel_fits
from planner.memory.estimate import estimate
from planner.memory.request import Change, Check, MemoryRequest

_HIGHEST_UTILIZATION = 0.95
"""Above it, CUDA graphs and other processes have no room (requirements and practice, see docs/planner.md)."""


def instance_gpu(instance: InstanceType) -> Gpu | None:
    """Return one GPU of an EC2 type as a program sees it; None for types without."""
    if instance.chip is None:
        return None
    return find_gpu(f"{instance.chip.name} {round(instance.gpu_memory_mib / 1024)}")


def smallest_changes(request: MemoryRequest, instance: InstanceType | None = None) -> tuple[Change, ...]:
    """Return every single change that gives the verdict `fits`, cheapest kinds first.

    None if it fits as it is, or if the engine is not modelled.

    `instance` is the EC2 type in use: needed to name the next one and the difference in price.
    """
    now = estimate(request)
    if now.verdict == "fits" or now.limiting is Check.NOT_MODELLED:
        return ()
    found = [
        _shorter(request),
        _fewer(request),
        _fuller(request),
        _wider(request),
        *_smaller_formats(request),
    ]
    if instance is not None:
        found.append(_larger_instance(request, instance))
    return tuple(change for change in found if change is not None)


def _fits(request: MemoryRequest, **changed: Any) -> bool:
    return estimate(request.model_copy(update=changed)).verdict == "fits"


def _shorter(request: MemoryRequest) -> Change | None:
    """Longest max_model_len that fits, in steps of 256 tokens: headroom only shrinks with length."""
    length = request.max_model_len or request.model.context
    low, high = 0, (length or 0) // 256
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(request, max_model_len=256 * middle):
            low = middle
        else:
            high = middle - 1
    if low < 2:
        return None
    return Change(setting="max_model_len", value=256 * low, text=f"max_model_len at most {256 * low}")


def _fewer(request: MemoryRequest) -> Change | None:
    seqs = estimate(request).max_num_seqs or 0
    for value in _halves(seqs):
        if _fits(request, max_num_seqs=value):
            return Change(setting="max_num_seqs", value=value, text=f"max_num_seqs at most {value}")
    return None


def _halves(value: int) -> Iterator[int]:
    while value > 8:
        value //= 2
        yield value


def _fuller(request: MemoryRequest) -> Change | None:
    now = estimate(request).gpu_memory_utilization
    if now is None:
        return None
    for percent in range(int(now * 100) + 1, round(_HIGHEST_UTILIZATION * 100) + 1):
        if _fits(request, gpu_memory_utilization=percent / 100):
            value = percent / 100
            return Change(
                setting="gpu_memory_utilization",
                value=value,
                text=f"gpu_memory_utilization {value:.2f} or more",
            )
    return None


def _wider(request: MemoryRequest) -> Change | None:
    most = (request.gpus_per_node or 8) // request.pipeline_parallel
    for size in (2, 4, 8, 16):
        wider = request.tensor_parallel < size <= most and tensor_parallel_fits(request, size)
        if wider and _fits(request, tensor_parallel=size):
            return Change(setting="tensor_parallel", value=size, text=f"tensor_parallel {size}")
    return None


def _smaller_formats(request: MemoryRequest) -> list[Change | None]:
    """Published weights of the same model in other formats."""
    return [
        Change(setting="model", value=known.repository, text=f"{name} weights: model {known.repository}")
        for name, known in request.model.formats.items()
        if name != request.weight_format and _fits(request, weight_format=name, weights_gib=known.gib)
    ]


def _larger_instance(request: MemoryRequest, instance: InstanceType) -> Change | None:
    """The cheapest EC2 type on which the same settings fit; dearer ones first come after it."""
    options = []
    for other in catalogue().values():
        gpu = instance_gpu(other)
        if gpu is None or other.usd_per_hour is None or other.gpus < request.gpus or other == instance:
            continue
        if gpu.gib > request.gpu.gib and _fits(request, gpu=gpu, gpus_per_node=other.gpus):
            options.append(other)
    if not options:
        return None
    best = min(options, key=lambda other: (other.usd_per_hour or 0.0, other.name))
    more = None
    if instance.usd_per_hour is not None and best.usd_per_hour is not None:
        more = best.usd_per_hour - instance.usd_per_hour
    price = "" if more is None else f" ({more:+.2f} USD/h)"
    return Change(
        setting="instance_type",
        value=best.name,
        text=f"instance_type {best.name}{price}",
        usd_per_hour_more=more,
    )
