"""`python litellm_start.py ARGUMENT...`: the real LiteLLM, with Python's collector off while it is imported.

It runs with LiteLLM's own Python and nothing of this repository. Nothing that importing makes is garbage, and
looking for some took 2.4 of the 11 CPU seconds of a start (docs/laptop.md); a gateway starts at each change
of weights.
"""

import gc
import sys
from importlib import import_module


def main() -> None:
    """Import, then be LiteLLM's own command."""
    gc.disable()
    import_module("litellm.proxy.proxy_server")
    gc.freeze()
    gc.enable()
    sys.argv[0] = "litellm"
    import_module("litellm").run_server()


if __name__ == "__main__":
    main()
