"""Simulated inference engines: real flags, routes, formats, metric names and shutdown; no model runs."""
