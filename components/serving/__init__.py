"""Serving a version of a model: its manifests, its autoscaler, its component."""
