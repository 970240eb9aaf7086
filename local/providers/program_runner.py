"""Runs a Pulumi program for the language host: a script, started by the program's own python.

Standard input carries one JSON object (settings, config, secret keys): no secret is in argv or environment.
"""

import sys

sys.path.pop(0)  # this script's folder: what lies beside it must not shadow the program's packages

import asyncio
import gc
import json
import logging
import runpy
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

try:
    import pulumi
except ImportError:
    sys.exit(f"there is no pulumi in {sys.prefix}: install the program's requirements there")
ERROR_SHOWN = 32  # exit status: failed, and the user was told why


def run(order: dict[str, Any]) -> int:
    """Run the program of an order within its stack; return the exit status."""
    pulumi.runtime.set_all_config(order["config"], order["secret_keys"])
    pulumi.runtime.configure(pulumi.runtime.Settings(**order["settings"]))
    pulumi.log.debug = lambda *_args, **_named: None  # four calls to the engine per resource, seldom read
    sys.argv = [program := order["program"], *order["args"]]
    if Path(program).is_file():
        sys.path.insert(0, str(Path(program).parent))  # as `python program.py` does; a folder adds itself
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a failed run leaves futures that nobody awaits
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    # asyncio's own pool has a few threads per core, and one awaited resource holds one for minutes
    loop.set_default_executor(ThreadPoolExecutor(max(32, order["settings"]["parallel"])))

    def execute() -> None:
        runpy.run_path(program, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(execute))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
    except Exception as error:
        if "resource monitor shut down" not in str(error):  # else the engine ended the run, and has said why
            pulumi.log.error(traceback.format_exc())
    else:
        return 0
    return ERROR_SHOWN


if __name__ == "__main__":
    gc.disable()  # a fifth of the time to import the SDKs, for memory that is free again in seconds
    sys.exit(run(json.load(sys.stdin)))
