"""`python gw_metrics.py HOST PORT`: the gateway's metrics from a small process. Runs without this repository.

LiteLLM's own metrics server loads all of LiteLLM first: 180 MiB, and a start that waits for it.
"""

import os
import signal
import sys
from importlib import import_module


def main() -> None:
    """Serve what the gateway writes to PROMETHEUS_MULTIPROC_DIR, until SIGTERM."""
    host, port = sys.argv[1:]
    client = import_module("prometheus_client")
    registry = client.CollectorRegistry()
    collector = import_module("prometheus_client.multiprocess").MultiProcessCollector
    collector(registry, path=os.environ["PROMETHEUS_MULTIPROC_DIR"])
    client.start_http_server(int(port), addr=host, registry=registry)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
