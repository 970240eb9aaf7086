"""The gateway's Kubernetes objects."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import naming
from components.gateway import gw_auth, litellm
from components.gateway.keys import keys_document
from components.gateway.manifests import gateway_manifests, provider_secret, tenant_keys_secret
from components.gateway.model import Budget, GatewayModel, GatewaySpec, Redis, Route
from components.spec import Manifest, Resources
from local.node.render import quantity
from tests.snapshot import assert_snapshot
from tests.unit.gateway_examples import (
    CHAT,
    DIGEST,
    REDIS,
    SUMMARY,
    backend,
    model,
    models,
    scaling,
    spec,
    tenant,
)

SECRET_NAME = object()
"""Stands for a name that is known at deploy time only."""


def manifests(gateway: GatewaySpec) -> dict[str, Manifest]:
    return gateway_manifests(gateway, environment_secret="gateway-environment-1a2b3c4")


def pod(made: dict[str, Manifest]) -> dict[str, Any]:
    template: dict[str, Any] = made["deployment"]["spec"]["template"]
    return template


def container(made: dict[str, Manifest]) -> dict[str, Any]:
    (only,) = pod(made)["spec"]["containers"]
    return dict(only)


@st.composite
def specs(draw: st.DrawFn) -> GatewaySpec:
    """Any valid gateway."""
    memory = draw(st.integers(512, 8192))
    least = draw(st.integers(1, 5))
    return spec(
        name=draw(st.from_regex(r"[a-z][a-z0-9-]{0,40}[a-z0-9]", fullmatch=True)),
        model=draw(models()),
        pool=draw(st.sampled_from([None, "l4"])),
        resources=Resources(
            cpu_millicores=draw(st.integers(100, 8000)),
            memory_mib=memory,
            memory_limit_mib=memory + draw(st.integers(0, 1024)),
        ),
        scaling=scaling(least, least + draw(st.integers(0, 5))),
        prestop_seconds=draw(st.integers(0, 60)),
        margin_seconds=draw(st.integers(0, 60)),
    )


@given(specs())
def test_a_pod_may_finish_its_longest_stream_after_the_wait_for_the_load_balancer(
    gateway: GatewaySpec,
) -> None:
    made = manifests(gateway)
    hooks = container(made).get("lifecycle", {"preStop": {"sleep": {"seconds": 0}}})
    drain = int(litellm.environment(gateway)["GRACEFUL_SHUTDOWN_TIMEOUT"])
    grace = pod(made)["spec"]["terminationGracePeriodSeconds"]
    assert grace >= hooks["preStop"]["sleep"]["seconds"] + drain
    assert drain == gateway.model.longest_stream_seconds


@given(specs())
def test_names_fit_and_selectors_match_the_pods(gateway: GatewaySpec) -> None:
    made = manifests(gateway)
    labels = pod(made)["metadata"]["labels"]
    for manifest in made.values():
        assert len(manifest["metadata"]["name"]) <= naming.MAX_NAME_LENGTH
        assert manifest["metadata"]["namespace"] == gateway.namespace
    selectors = [
        made["deployment"]["spec"]["selector"]["matchLabels"],
        made["service"]["spec"]["selector"],
        made["disruption-budget"]["spec"]["selector"]["matchLabels"],
        made["network-policy"]["spec"]["podSelector"]["matchLabels"],
        *(s["labelSelector"]["matchLabels"] for s in pod(made)["spec"]["topologySpreadConstraints"]),
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


@given(specs())
def test_requests_stay_below_limits_and_the_autoscaler_alone_counts_replicas(gateway: GatewaySpec) -> None:
    made = manifests(gateway)
    resources = container(made)["resources"]
    requested, limit = (quantity(resources[key]["memory"]) for key in ("requests", "limits"))
    assert requested <= limit
    assert "replicas" not in made["deployment"]["spec"]
    target = made["scaler"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": gateway.name}


@given(models())
def test_no_manifest_but_the_provider_secret_holds_a_key_in_clear(any_model: GatewayModel) -> None:
    gateway = spec(model=any_model)
    keys = {t.name: f"clear-key-of-{t.name}" for t in any_model.tenants}
    secret = tenant_keys_secret(gateway, keys_document(any_model, keys))
    text = json.dumps([secret, manifests(gateway)])
    assert not [key for key in keys.values() if key in text]


def test_the_pod_mounts_what_it_reads() -> None:
    gateway = spec()
    made = manifests(gateway)
    volumes = {volume["name"]: volume for volume in pod(made)["spec"]["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container(made)["volumeMounts"]}
    assert mounts == {
        "/etc/litellm": "config",
        "/etc/tenant-keys": "tenant-keys",
        "/tmp": "scratch",
        "/var/lib/gateway-metrics": "metrics",
    }
    assert volumes["config"]["configMap"]["name"] == made["config"]["metadata"]["name"]
    keys = tenant_keys_secret(gateway, "{}")
    assert volumes["tenant-keys"]["secret"]["secretName"] == keys["metadata"]["name"]
    assert not any("subPath" in mount for mount in container(made)["volumeMounts"]), (
        "such a file never refreshes"
    )
    environment = {entry["name"]: entry["value"] for entry in container(made)["env"]}
    assert environment["TENANT_KEYS_FILE"] == f"/etc/tenant-keys/{next(iter(keys['stringData']))}"
    assert set(made["config"]["data"]) == {
        "config.yaml",
        "gw_auth.py",
        "gw_budget.py",
        "gw_log.py",
        "gw_metrics.py",
        "gw_privacy.py",
        "gw_requests.py",
        "gw_sticky.py",
    }


def test_the_config_map_carries_the_config_and_the_hook_as_they_run() -> None:
    gateway = spec()
    data = manifests(gateway)["config"]["data"]
    assert yaml.safe_load(data["config.yaml"]) == litellm.render(gateway.model)
    scope: dict[str, Any] = {"__name__": "gw_auth"}
    exec(data["gw_auth.py"], scope)
    assert scope["CLIENT_PATHS"] == gw_auth.CLIENT_PATHS


def test_other_weights_give_another_config_map_and_nothing_else_changes_name() -> None:
    moved = Route(
        **{**dict(CHAT), "backends": (backend("chat-v1", weight=10), backend("chat-v2", weight=90))}
    )
    before = manifests(spec())
    after = manifests(spec(model=model(routes=(moved, *model().routes[1:]))))
    changed = {key for key in before if before[key]["metadata"]["name"] != after[key]["metadata"]["name"]}
    assert changed == {"config"}
    differing = {key for key in before if before[key] != after[key]}
    assert differing == {"config", "deployment"}


def test_deploy_time_values_pass_through_untouched() -> None:
    made = gateway_manifests(spec(), environment_secret=SECRET_NAME)
    source = made["deployment"]["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert source == [{"secretRef": {"name": SECRET_NAME}}]
    assert provider_secret(spec(), {"OPENAI_API_KEY": SECRET_NAME})["stringData"] == {
        "OPENAI_API_KEY": SECRET_NAME
    }
    assert tenant_keys_secret(spec(), SECRET_NAME)["stringData"] == {"keys.json": SECRET_NAME}


def test_the_provider_secret_has_no_name_so_that_a_change_rolls_the_pods() -> None:
    assert "name" not in provider_secret(spec(), {})["metadata"]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (None, (None, None)),
        (
            "l4",
            (
                {"llmserve.dev/pool": "l4"},
                [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            ),
        ),
    ],
)
def test_a_named_pool_is_gone_to_even_past_its_taint(pool: str | None, expected: tuple[Any, Any]) -> None:
    placed = pod(manifests(spec(pool=pool)))["spec"]
    assert (placed.get("nodeSelector"), placed.get("tolerations")) == expected


def egress_ports(gateway: GatewaySpec) -> list[list[int | str]]:
    rules = manifests(gateway)["network-policy"]["spec"]["egress"]
    return [[port["port"] for port in rule["ports"]] for rule in rules]


def provider(base_url: str | None) -> Route:
    return Route(name="openai", backends=(backend("openai-openai", "openai", base_url=base_url),))


@pytest.mark.parametrize(
    ("gateway", "ports"),
    [
        (model(routes=(SUMMARY,), redis=None), []),
        (model(routes=(SUMMARY, provider(None)), redis=None), [[443]]),
        (model(routes=(provider("http://other:8080/v1"), SUMMARY), redis=REDIS), [[6380, 8080]]),
        (model(routes=(provider("http://other"),), redis=None), [[80]]),
    ],
    ids=["engines only", "provider's own address", "port and Redis", "plain http"],
)
def test_the_gateway_may_call_names_engines_and_only_the_ports_it_needs_outside(
    gateway: GatewayModel, ports: list[list[int]]
) -> None:
    assert egress_ports(spec(model=gateway)) == [[53, 53], ["http"], *ports]


def test_metrics_are_open_to_monitoring_alone() -> None:
    api, metrics = manifests(spec())["network-policy"]["spec"]["ingress"]
    assert api == {"ports": [{"protocol": "TCP", "port": "http"}]}
    assert metrics == {
        "from": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
            {"podSelector": {"matchLabels": naming.selector("prometheus", "prometheus")}},
        ],
        "ports": [{"protocol": "TCP", "port": "metrics"}],
    }


def test_a_wait_of_zero_is_left_out_since_older_clusters_refuse_it() -> None:
    assert "lifecycle" not in container(manifests(spec(prestop_seconds=0)))


def test_all_manifests_are_as_recorded() -> None:
    gateway = spec(pool="l4")
    made = manifests(gateway)
    made["config"] = {**made["config"], "data": "see litellm.yaml and gw_auth.py"}
    hashed = made["deployment"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
    plain = json.loads(json.dumps(list(made.values())))  # no object twice, so that YAML writes no anchors
    text = yaml.safe_dump_all(plain, sort_keys=False).replace(hashed, "gateway-<hash>")
    assert DIGEST in text
    assert_snapshot("gateway/manifests.yaml", text)


def test_metrics_are_served_by_a_sidecar_that_outlives_the_gateway_and_reads_what_it_writes() -> None:
    made = manifests(spec())
    (sidecar,) = pod(made)["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always", "a sidecar ends after the containers it stands beside"
    script = sidecar["command"][1].rpartition("/")[2]
    assert made["config"]["data"][script].startswith('"""`python gw_metrics.py HOST PORT`')
    (folder,) = [item["value"] for item in sidecar["env"]]
    assert folder == litellm.environment(spec())["PROMETHEUS_MULTIPROC_DIR"]
    shared = {mount["name"] for mount in sidecar["volumeMounts"] if mount["mountPath"] == folder}
    assert shared == {"metrics"}


@pytest.mark.parametrize(
    ("host", "tls", "url"),
    [
        ("gateway-redis", False, "redis://gateway-redis:6379"),
        ("10.0.0.7", True, "rediss://10.0.0.7:6379"),
        ("fd00::7", True, "rediss://[fd00::7]:6379"),
    ],
)
def test_budgets_are_kept_in_the_redis_of_the_limits_whatever_form_its_address_has(
    host: str, tls: bool, url: str
) -> None:
    paying = tenant("search", budget=Budget(usd=1.0, days=30))
    redis = Redis(host=host, port=6379, tls=tls)
    found = litellm.environment(spec(model=model(tenants=(paying,), redis=redis)))
    assert found["TENANT_BUDGETS_REDIS"] == url
