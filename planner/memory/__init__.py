"""GPU memory of an engine with a model: `estimate(MemoryRequest) -> MemoryEstimate`."""

from planner.memory.changes import instance_gpu, smallest_changes
from planner.memory.estimate import estimate
from planner.memory.request import Change, Check, MemoryEstimate, MemoryRequest, Verdict

__all__ = [
    "Change",
    "Check",
    "MemoryEstimate",
    "MemoryRequest",
    "Verdict",
    "estimate",
    "instance_gpu",
    "smallest_changes",
]
