"""Settings that cannot work together on a chip, whatever the memory."""

from planner.memory.request import MemoryRequest


def incompatible(request: MemoryRequest) -> list[str]:
    """Return why the engine would refuse to start; empty if nothing speaks against it."""
    return []
