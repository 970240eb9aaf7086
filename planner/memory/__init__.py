"""GPU memory of an engine with a model: `estimate(MemoryRequest) -> MemoryEstimate`."""

from planner.memory.changes import instance_gpu, smallest_changes
from planner.memory.estimate import estimate, explain
from planner.memory.launch import launch_request
from planner.memory.placement import Placement, placements
from planner.memory.request import Change, Check, MemoryEstimate, MemoryRequest, Verdict

__all__ = [
    "Change",
    "Check",
    "MemoryEstimate",
    "MemoryRequest",
    "Placement",
    "Verdict",
    "estimate",
    "explain",
    "instance_gpu",
    "launch_request",
    "placements",
    "smallest_changes",
]
