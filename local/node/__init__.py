"""The process node: a kubelet for laptops that runs pods as local processes. Linux only."""

READY_LINE = "nodes are ready"
"""What the process prints once pods may come."""
