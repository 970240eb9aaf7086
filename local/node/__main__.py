"""`python -m local.node`: run the nodes of a laptop's cluster until asked to stop."""

import argparse
import asyncio
import fcntl
import json
import logging
import signal
import sys
from pathlib import Path

from aiohttp import web

from local.node import READY_LINE, kubelet_api, metrics_api, process
from local.node.addresses import service_address
from local.node.agent import Agent
from local.node.api import Api, ApiError, Identity
from local.node.events import Events
from local.node.forwarder import ServiceNetwork
from local.node.images import Images
from local.node.metrics_api import Metrics
from local.node.nodes import Nodes
from local.node.pod import Surroundings
from local.node.storage import provision


def main() -> int:
    """Read the arguments and run; return the exit code."""
    options = _options()
    if sys.platform != "linux":
        print(
            "The process node needs Linux: each pod gets a loopback address of its own. On other systems use "
            "a Linux virtual machine, or a kind or k3s cluster as an existing cluster (docs/laptop.md).",
            file=sys.stderr,
        )
        return 2
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    options.state.mkdir(parents=True, exist_ok=True)
    options.state.chmod(0o700)  # Secrets lie in it
    lock = (options.state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another node already runs in {options.state}", file=sys.stderr)
        return 1
    process.start_warden(options.state)
    try:
        asyncio.run(_run(options))
    except ApiError as problem:
        print(f"the API server refused the node: {problem}", file=sys.stderr)
        return 1
    return 0


async def _run(options: argparse.Namespace) -> None:
    identity = Identity(options.kubeconfig, options.state / "pki")
    api = Api(identity)
    manifests = json.loads(options.nodes.read_text("utf-8"))
    seed = str(options.state)
    network = ServiceNetwork(api, seed, options.slice_lag_seconds, dict(options.publish))
    images = Images(options.images, options.state / "images", dict(options.program))
    shared = Surroundings(api, options.state, images, Events(api), network.rewriter)
    agent = Agent(shared, frozenset(manifest["metadata"]["name"] for manifest in manifests))
    prometheus = options.prometheus_service
    metrics = Metrics(
        api,
        agent,
        f"http://{service_address(seed, prometheus)}:{options.prometheus_port}" if prometheus else None,
    )
    app = web.Application()
    kubelet_api.add_logs(app, agent)
    metrics.add_to(app)
    server, port = await kubelet_api.serve(app, identity)
    nodes = Nodes(api, manifests, port)
    await nodes.register()
    await metrics_api.publish(api, port)
    background = [network.run(), nodes.keep_alive(), metrics.measure(), provision(api, options.state)]
    tasks = [asyncio.create_task(work) for work in background]
    await asyncio.gather(*(event.wait() for event in network.synced))
    tasks.append(asyncio.create_task(agent.run()))
    logging.info("%s: %s", READY_LINE, ", ".join(sorted(nodes.names)))
    await _until_asked(tasks)
    await nodes.retire()
    for task in tasks:
        task.cancel()
    await agent.stop()
    await network.close()
    await server.cleanup()
    await api.close()


async def _until_asked(tasks: list[asyncio.Task[None]]) -> None:
    """Return on SIGTERM or SIGINT; raise what a task raised, since none may end."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--state", type=_folder, required=True, help="folder for pods' files, logs, volumes")
    parser.add_argument("--nodes", type=Path, required=True, help="JSON list of Node manifests")
    parser.add_argument("--images", type=Path, default=Path(__file__).with_name("images.yaml"))
    parser.add_argument(
        "--program",
        type=_program,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a program to run in place of the one in the list of images",
    )
    parser.add_argument("--slice-lag-seconds", type=float, default=1.0, help="how late endpoints change")
    parser.add_argument(
        "--publish",
        type=_published,
        action="append",
        default=[],
        metavar="PORT=NAMESPACE/NAME",
        help="fixed port on 127.0.0.1 that leads to a Service's first port; may be given again",
    )
    parser.add_argument("--prometheus-service", type=_name, help="NAMESPACE/NAME, for external metrics")
    parser.add_argument("--prometheus-port", type=int, default=9090)
    return parser.parse_args()


def _folder(text: str) -> Path:
    return Path(text).resolve()


def _program(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH of a program")
    return name, path


def _published(text: str) -> tuple[int, tuple[str, str]]:
    port, _, name = text.partition("=")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not PORT=NAMESPACE/NAME")
    return int(port), _name(name)


def _name(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (slash and namespace and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")
    return namespace, name


if __name__ == "__main__":
    sys.exit(main())
