"""`make up` and `make down` as a user runs them: pods are processes, LiteLLM is real, engines are simulated.

Proves: what is printed works when pasted, traffic is split as the stack file says, a node that died is mended
by the next `up`, and nothing is left behind. Does not prove: anything of a model, of images or of isolation.
"""

import asyncio
import base64
import json
import math
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import requests

from local import ports, process_node, processes
from local.kubectl import Kubectl
from local.load import Load, Plan, Target
from local.load_report import Ask
from local.node.process import MARK
from tests.e2e.laptop_stack import make_laptop, until
from tests.engine.checkout import Checkout

APPLY_TO_TOKEN_SECONDS = 45
"""The goal is 20. Measured on two cores: 14 to 16 on 2026-11-23, 38 on 2026-11-26, when most of it was
LiteLLM starting on a slower machine, 12 to 19 on 2026-11-27; the bound only keeps it from growing unseen."""
REQUESTS, RATE = 500, 20
"""Over 25 s: within the tenant's 600 a minute."""
IDLE_MIB, IDLE_CORES = 1536, 0.15
"""The goals are 1536 and 0.10; measured 1482 and 0.102 on a slow machine, 1473 and 0.099 on 2026-11-27."""
IDLE_SECONDS = 20


class Laptop(NamedTuple):
    """A checkout that is up, and what its first `up` printed."""

    checkout: Checkout
    said: str


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    made = make_laptop(tmp_path_factory.mktemp("laptop"))
    try:
        yield Laptop(made, made.run("up"))
    finally:
        made.run("down")


def status(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(checkout.run("status", "--json"))
    return found


def ours(checkout: Checkout) -> list[psutil.Process]:
    """All processes of the checkout, pods' and what they started included."""
    found = [process for group in processes.ours(checkout.layout.state).values() for process in group]
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(f"{checkout.layout.node}#"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_up_ends_with_a_streamed_chat(laptop: Laptop) -> None:
    checkout = laptop.checkout
    assert "[simulated] vllm 0.33.0 as chat, no model ran:" in laptop.said
    seconds = re.search(r"from apply to the first streamed token: ([\d.]+) s", laptop.said)
    assert seconds
    print(f"from apply to the first streamed token: {seconds[1]} s")
    assert float(seconds[1]) <= APPLY_TO_TOKEN_SECONDS
    assert "no key yet for what lies outside" in laptop.said
    keys = [path.read_text(encoding="utf-8").strip() for path in checkout.layout.keys.iterdir()]
    assert not [key for key in keys if key in laptop.said], "no key is printed"


def test_what_up_prints_to_paste_works_as_it_is(laptop: Laptop) -> None:
    checkout = laptop.checkout
    curl = laptop.said[laptop.said.index("curl -N") : laptop.said.index("or with OpenAI's SDK")]
    sdk = laptop.said[laptop.said.index("from openai import OpenAI") :]
    python = checkout.layout.litellm / "bin" / "python"

    streamed = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True, timeout=30)
    answered = subprocess.run([python, "-c", sdk], capture_output=True, text=True, check=True, timeout=60)

    assert streamed.stdout.strip().endswith("data: [DONE]")
    assert answered.stdout.startswith("[simulated] ")


def test_status_tells_programs_how_to_reach_everything(laptop: Laptop) -> None:
    checkout = laptop.checkout
    found = status(checkout)

    assert Path(found["kubeconfig"]).is_file()
    assert found["gateway"]["local_url"] in laptop.said
    assert [tenant["name"] for tenant in found["tenants"]] == ["batch", "search"]
    assert all(Path(tenant["key_file"]).stat().st_mode & 0o777 == 0o600 for tenant in found["tenants"])
    assert Counter((pod["model"], pod["version"]) for pod in found["pods"]) == {
        ("chat", "qwen3-8b"): 1,
        ("chat", "qwen3-8b-fp8"): 1,
        ("summary", "llama3-8b"): 1,
        ("small", "qwen3-4b"): 1,
        (None, None): 4,  # two gateways, Prometheus, Redis
    }
    for pod in found["pods"]:
        assert (pod["ready"], pod["restarts"]) == (True, 0), pod
        host, port = pod["address"].removeprefix("http://").split(":")
        listening = {tuple(c.laddr) for c in psutil.Process(pod["pid"]).net_connections() if not c.raddr}
        assert (host, int(port)) in listening, f"{pod} is not what listens there"


def test_logs_are_of_a_pod_a_version_or_the_gateway(laptop: Laptop) -> None:
    checkout = laptop.checkout
    (pod,) = [p["name"] for p in status(checkout)["pods"] if p["version"] == "llama3-8b"]

    assert "SIMULATED TGI" in checkout.run("logs", pod)
    assert f"[pod/{pod}/engine] SIMULATED TGI" in checkout.run("logs", "summary/llama3-8b")
    assert "[pod/gateway-" in checkout.run("logs", "gateway")
    assert "no such pod, version or gateway; there are chat-qwen3-8b-" in checkout.run("logs", "x", status=1)


def test_everything_listens_on_loopback_only(laptop: Laptop) -> None:
    checkout = laptop.checkout
    listening = {
        connection.laddr.ip
        for process in ours(checkout)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(listening) > len(status(checkout)["pods"]), "pods and Services have addresses of their own"
    assert [ip for ip in listening if not ip.startswith("127.")] == []


def test_traffic_is_split_as_the_stack_file_says_and_nothing_is_lost(laptop: Laptop) -> None:
    checkout = laptop.checkout
    found = status(checkout)
    (key_file,) = [tenant["key_file"] for tenant in found["tenants"] if tenant["name"] == "search"]
    key = Path(key_file).read_text(encoding="utf-8").strip()
    target = Target(url=found["gateway"]["local_url"], key=key, model="chat")
    load = Load(target, Plan(rate=RATE, seconds=REQUESTS / RATE, mix=(Ask(False, 4), Ask(True, 8))))

    asyncio.run(load.run())

    report = load.report()
    assert (report["requests"], report["lost"]) == (REQUESTS, 0), report
    served = {row["version"]: row["requests"] for row in report["versions"]}
    assert served.keys() == {"chat-qwen3-8b", "chat-qwen3-8b-fp8"}
    low, high = binomial_interval(REQUESTS, 0.1, 0.99)
    assert low <= served["chat-qwen3-8b-fp8"] <= high, served


def binomial_interval(trials: int, share: float, confidence: float) -> tuple[int, int]:
    """The least interval, cut equally at both ends, that holds at least `confidence` of all outcomes."""
    tail, below = (1 - confidence) / 2, 0.0
    edges = []
    for hits in range(trials + 1):
        before = below
        below += math.comb(trials, hits) * share**hits * (1 - share) ** (trials - hits)
        edges += [hits] * (before <= tail < below) + [hits] * (before < 1 - tail <= below)
    low, high = edges
    return low, high


def test_prometheus_sees_the_versions_and_the_gateways_by_name(laptop: Laptop) -> None:
    url = status(laptop.checkout)["prometheus"]["local_url"]

    def seen() -> Counter[tuple[str, str]]:
        answer = requests.get(f"{url}/api/v1/query", params={"query": "up == 1"}, timeout=5).json()
        labels = [row["metric"] for row in answer["data"]["result"]]
        return Counter((row["app_kubernetes_io_name"], row["app_kubernetes_io_instance"]) for row in labels)

    until(lambda: seen()["gateway", "gateway"] == 2, 20, "not both gateways are scraped")
    assert seen() == {
        ("engine", "chat-qwen3-8b"): 1,
        ("engine", "chat-qwen3-8b-fp8"): 1,
        ("engine", "summary-llama3-8b"): 1,
        ("gateway", "gateway"): 2,
        ("prometheus", "prometheus"): 1,
    }, "Ollama has no metrics"
    query = {"query": "sum by (llmserve_dev_version) (vllm:request_success_total)"}
    rows = requests.get(f"{url}/api/v1/query", params=query, timeout=5).json()["data"]["result"]
    assert {row["metric"]["llmserve_dev_version"] for row in rows} == {"qwen3-8b", "qwen3-8b-fp8"}


def test_both_gateways_count_a_tenants_limit_together(laptop: Laptop) -> None:
    """Each gateway alone would let all of these through. LiteLLM's minute begins with the first request."""
    found = status(laptop.checkout)
    key = (laptop.checkout.layout.keys / "batch").read_text(encoding="utf-8").strip()
    gateways = [pod["address"] for pod in found["pods"] if pod["name"].startswith("gateway-")]
    body = {"model": "chat", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}

    def ask(gateway: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{gateway}/v1/chat/completions"
        return requests.post(url, json=body, headers=headers, timeout=30).status_code

    codes = Counter(ask(gateways[number % 2]) for number in range(80))
    assert codes == {200: 60, 429: 20}, "the stack file allows 60 a minute"


def test_a_second_up_changes_nothing_and_one_after_a_crash_of_the_node_mends_it(laptop: Laptop) -> None:
    checkout = laptop.checkout
    before = [pod["pid"] for pod in status(checkout)["pods"]]

    again = checkout.run("up")

    assert "runs already" in again
    assert re.search(r"Resources:\n +\d+ unchanged\n\n", again), again
    assert [pod["pid"] for pod in status(checkout)["pods"]] == before

    node = min(process_node._processes(checkout.layout), key=lambda process: process.create_time())
    os.kill(node.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid) for pid in before if psutil.pid_exists(pid)], timeout=10)
    assert not [pid for pid in before if psutil.pid_exists(pid)], "pods end with their node"
    mended = checkout.run("up")

    assert "[simulated]" in mended
    assert all(pod["ready"] and pod["restarts"] == 1 for pod in status(checkout)["pods"])


def test_the_stack_costs_little_while_nobody_asks(laptop: Laptop) -> None:
    """Memory is proportional set size, so that what processes share counts once."""
    running = ours(laptop.checkout)
    before, begun = sum(map(_cpu_seconds, running)), time.monotonic()
    time.sleep(IDLE_SECONDS)
    cores = (sum(map(_cpu_seconds, running)) - before) / (time.monotonic() - begun)
    memory = {process.pid: process.memory_full_info().pss / 2**20 for process in running}
    print(f"idle: {sum(memory.values()):.0f} MiB, {cores:.3f} cores, {len(running)} processes")
    assert sum(memory.values()) <= IDLE_MIB, {p.name(): round(memory[p.pid]) for p in running}
    assert cores <= IDLE_CORES


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def test_no_key_is_in_clear_in_files_state_logs_arguments_or_objects(laptop: Laptop) -> None:
    """Keys are in the private files of `.local/keys` only; what pods need as clear text lies in Secrets."""
    layout = laptop.checkout.layout
    keys = {path.name: path.read_text(encoding="utf-8").strip() for path in layout.keys.iterdir()}
    tenants = {row["name"] for row in status(laptop.checkout)["tenants"]}
    assert tenants < set(keys)
    kubectl = Kubectl(layout.programs / "kubectl", layout.kubeconfig)
    kinds = kubectl.run("api-resources", "--verbs=list", "-o", "name").split()
    plain = ",".join(kind for kind in kinds if kind != "secrets" and "metrics.k8s.io" not in kind)
    objects = kubectl.run("get", plain, "--all-namespaces", "-o", "json")
    secrets = kubectl.run("get", "secrets", "--all-namespaces", "-o", "json")
    arguments = "\n".join(" ".join(process.cmdline()) for process in ours(laptop.checkout))
    for name, key in keys.items():
        assert key not in objects, f"{name} in an object"
        assert key not in arguments, f"{name} in a process's arguments"
        encoded = base64.b64encode(key.encode()).decode()
        if name in tenants:
            assert encoded not in secrets, f"{name}: the cluster gets hashes of tenants' keys only"
    for path in layout.root.rglob("*"):
        if path.is_symlink() or not path.is_file() or layout.keys in path.parents:
            continue
        content = path.read_bytes()
        # etcd keeps Secrets as they are; on EKS they are encrypted by a key of KMS
        looked_for = [name for name in keys if name in tenants or "etcd" not in path.parts]
        assert not [name for name in looked_for if keys[name].encode() in content], path


def test_down_leaves_no_process_no_port_and_no_file(laptop: Laptop) -> None:
    checkout = laptop.checkout
    layout = checkout.layout
    used = [
        port
        for name in ("ports.json", "node-ports.json")
        for port in (ports.remembered(layout.state / name) or {}).values()
    ]

    told = checkout.run("down")

    assert "ended the process node and its pods" in told
    assert ours(checkout) == []
    assert used
    assert all(ports.is_free(port) for port in used)
    assert sorted(path.name for path in layout.state.iterdir()) == ["bin", "litellm", "redis", "router"]
    assert list(checkout.home.iterdir()) == [], "nothing was written outside .local"
