"""`python -m local.prometheus PROGRAM ARGUMENT...`: the real Prometheus, told where pods are on this machine.

It discovers pods by the API server, which knows their cluster addresses (198.18.0.0/15); on this machine they
listen on loopback. One relabelling rule is added to each scrape job; all else of the config is as given.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIG_ARGUMENT = "--config.file="
_LOCAL_ADDRESS = {
    "source_labels": ["__address__"],
    "regex": r"198\.(1[89]\..*)",
    "replacement": "127.$1",
    "target_label": "__address__",
}


def localized(config: dict[str, Any]) -> dict[str, Any]:
    """Return a Prometheus config whose jobs ask pods at their loopback addresses. Pure."""
    jobs = [
        job | {"relabel_configs": [*job.get("relabel_configs", []), _LOCAL_ADDRESS]}
        for job in config.get("scrape_configs", [])
    ]
    return config | {"scrape_configs": jobs}


def main(argv: Sequence[str]) -> None:
    """Write the changed config beside the process's other files and become Prometheus."""
    program, *arguments = argv
    made = Path(os.environ["TMPDIR"]) / "prometheus.yml"
    for number, argument in enumerate(arguments):
        if argument.startswith(CONFIG_ARGUMENT):
            given = yaml.safe_load(Path(argument.removeprefix(CONFIG_ARGUMENT)).read_text("utf-8"))
            made.write_text(yaml.safe_dump(localized(given), sort_keys=False), encoding="utf-8")
            arguments[number] = f"{CONFIG_ARGUMENT}{made}"
    os.execv(program, ["prometheus", *arguments])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1:])
