"""The laptop: an embedded Kubernetes control plane and stand-ins for plugins that cannot be had."""
