"""Text written for a cluster means the same on loopback."""

import pytest

from local.node.addresses import (
    Rewriter,
    local_port,
    pod_address,
    pod_ip,
    routes,
    service_address,
)

SEED = "a checkout"
CHAT = service_address(SEED, ("models", "chat-v1"))
REDIS = service_address(SEED, ("models", "redis"))
OTHER = service_address(SEED, ("monitoring", "prometheus"))
OWN = "127.18.0.9"
API_SERVER_AT = ("127.0.0.1", 6443)


def _rewriter() -> Rewriter:
    return Rewriter(
        seed=SEED,
        namespace="models",
        address=OWN,
        namespaces=frozenset({"models", "monitoring"}),
        services={("models", "redis"): frozenset({6379}), ("monitoring", "prometheus"): frozenset({9090})},
        mounts=(("/cache", "/s/v/cache"), ("/cache/hub", "/s/v/hub"), ("/tmp", "/tmp/s/v/tmp")),
    )


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("http://chat-v1/v1", f"http://{CHAT}:10080/v1"),
        ("http://chat-v1.models", f"http://{CHAT}:10080"),
        ("http://chat-v1.models.svc.cluster.local:8000/x", f"http://{CHAT}:8000/x"),
        ("https://chat-v1.models.svc", f"https://{CHAT}:10443"),
        ("redis://:pass@redis:6379/0", f"redis://:pass@{REDIS}:6379/0"),
        ("redis://redis", f"redis://{REDIS}"),
        ("redis:6379", f"{REDIS}:6379"),
        ("targets: ['prometheus.monitoring:9090']", f"targets: ['{OTHER}:9090']"),
        ("host: redis", f"host: {REDIS}"),
        ("host: redis.models", f"host: {REDIS}"),
        ("redis_host: 'redis'", f"redis_host: '{REDIS}'"),
        ("chat-v1.models.svc:9000", f"{CHAT}:9000"),
        ("http://localhost:8000", f"http://{OWN}:8000"),
        ("--host=0.0.0.0", f"--host={OWN}"),
        ("0.0.0.0:11434", f"{OWN}:11434"),
        ("[::]:8000", f"{OWN}:8000"),
        ("--dir=/cache", "--dir=/s/v/cache"),
        ("/cache/hub/x:/cache/y", "/s/v/hub/x:/s/v/cache/y"),
        ("/tmp/x", "/tmp/s/v/tmp/x"),
    ],
)
def test_what_means_something_in_the_cluster_is_replaced(text: str, local: str) -> None:
    assert _rewriter().text(text) == local


@pytest.mark.parametrize(
    "text",
    [
        "https://api.openai.com/v1",
        "s3://bucket/model",
        "model: redis",
        "redis/redis",
        "chat-v1",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "gw_auth.user_api_key_auth",
        "llmserve.dev/pool",
        "import redis.client",
        "10.0.0.0.0",
        "http://10.1.2.3:80/",
        "/cachet and x/cache and /cache-2",
        "/vllm/vllm:v0.11.0",
        "12:30:00",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert _rewriter().text(text) == text


def test_a_privileged_port_beside_a_host_variable_is_changed_too() -> None:
    values = {"REDIS_HOST": "redis", "REDIS_PORT": "80", "OTHER_HOST": "x.example", "OTHER_PORT": "80"}
    assert _rewriter().environment(values) == {
        "REDIS_HOST": REDIS,
        "REDIS_PORT": "10080",
        "OTHER_HOST": "x.example",
        "OTHER_PORT": "80",
    }


def test_a_server_that_is_told_to_listen_keeps_its_port() -> None:
    values = {"HOST": "0.0.0.0", "PORT": "80"}
    assert _rewriter().environment(values) == {"HOST": OWN, "PORT": "80"}


@pytest.mark.parametrize(
    ("port", "local"), [(1, 10001), (80, 10080), (443, 10443), (1023, 11023), (1024, 1024)]
)
def test_only_privileged_ports_change(port: int, local: int) -> None:
    assert local_port(port) == local


@pytest.mark.parametrize(
    ("number", "ip"),
    [(0, "198.18.0.1"), (255, "198.18.1.0"), (2**16 - 1, "198.19.0.0"), (2**17 - 2, "198.18.0.1")],
)
def test_pod_addresses_stay_in_the_benchmark_network(number: int, ip: str) -> None:
    assert pod_ip(number) == ip


def test_a_pod_binds_the_loopback_twin_of_its_address() -> None:
    assert pod_address("198.19.3.4") == "127.19.3.4"


def test_two_checkouts_use_different_addresses_for_the_same_service() -> None:
    assert service_address("a", ("n", "s")) != service_address("b", ("n", "s"))


def _endpoint(ip: str, **conditions: bool) -> dict[str, object]:
    return {"addresses": [ip], "conditions": conditions}


READY = _endpoint("198.18.0.1", ready=True)
UNREADY = _endpoint("198.18.0.2", ready=False, serving=False)
ENDING = _endpoint("198.18.0.3", ready=False, serving=True, terminating=True)
DEAD = _endpoint("198.18.0.4", ready=False, serving=False, terminating=True)
STRANGER = _endpoint("10.0.0.1", ready=True)


@pytest.mark.parametrize(
    ("endpoints", "chosen"),
    [
        ([READY, UNREADY, ENDING], ["127.18.0.1"]),
        ([ENDING, DEAD, UNREADY], ["127.18.0.3"]),
        ([DEAD, UNREADY], []),
        ([STRANGER], []),
        ([], []),
    ],
    ids=["ready only", "ending ones serve when none is ready", "none", "never off the machine", "empty"],
)
def test_connections_go_where_kube_proxy_would_send_them(
    endpoints: list[dict[str, object]], chosen: list[str]
) -> None:
    service = {
        "spec": {"ports": [{"name": "http", "port": 80}, {"name": "udp", "port": 53, "protocol": "UDP"}]}
    }
    labels = {"kubernetes.io/service-name": "chat-v1"}
    piece = {
        "metadata": {"namespace": "models", "labels": labels},
        "ports": [{"name": "http", "port": 8000}, {"name": "metrics", "port": 9000}],
        "endpoints": endpoints,
    }
    table = routes(SEED, {("models", "chat-v1"): service}, [piece], {}, API_SERVER_AT)
    assert table == {(CHAT, 10080): [(ip, 8000) for ip in chosen]}


def test_a_published_port_leads_where_the_services_first_port_leads() -> None:
    name = ("models", "chat-v1")
    service = {"spec": {"ports": [{"port": 80}, {"port": 81}]}}
    endpoints = [{"addresses": ["198.18.0.7"], "conditions": {"ready": True}}]
    labels = {"kubernetes.io/service-name": "chat-v1"}
    piece = {
        "metadata": {"namespace": "models", "labels": labels},
        "ports": [{"port": 8000}],
        "endpoints": endpoints,
    }
    table = routes(SEED, {name: service}, [piece], {18080: name, 18081: ("models", "gone")}, API_SERVER_AT)
    assert table["127.0.0.1", 18080] == [("127.18.0.7", 8000)] == table[CHAT, 10080]
    assert ("127.0.0.1", 18081) not in table, "a Service that is not there has no port"


def test_the_kubernetes_service_leads_to_the_api_server_whatever_its_endpoints_say() -> None:
    service = {"spec": {"ports": [{"name": "https", "port": 443}]}}
    table = routes(SEED, {("default", "kubernetes"): service}, [], {}, API_SERVER_AT)
    assert table == {(service_address(SEED, ("default", "kubernetes")), 10443): [API_SERVER_AT]}
