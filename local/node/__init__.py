"""The process node: a kubelet for laptops that runs pods as local processes. Linux only."""
