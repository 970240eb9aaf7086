"""The estimator's entry: which engine's budget applies, and what does not go together."""

from planner.memory.compatibility import incompatible
from planner.memory.request import Check, MemoryEstimate, MemoryRequest
from planner.memory.vllm import estimate_vllm, not_modelled


def estimate(request: MemoryRequest) -> MemoryEstimate:
    """Return what the configuration takes and leaves on each GPU, and whether it starts.

    What is not modelled has the verdict `uncertain` and says so in `reasons`. Nothing is raised.
    """
    problems = incompatible(request)
    if problems:
        return MemoryEstimate(verdict="does_not_fit", limiting=Check.COMPATIBILITY, reasons=tuple(problems))
    if request.engine != "vllm":
        return not_modelled(f"memory of {request.engine}")
    return estimate_vllm(request)
