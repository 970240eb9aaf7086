"""Stand-in for pulumi-resource-kubernetes: real objects in a real API server, by server-side apply."""
