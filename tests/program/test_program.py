"""The whole program for every stack file, under the recorder."""

import time
from typing import Any

import pulumi
import pytest
import yaml

from infra import program, settings
from tests.program.harness import SECRET_SIGNATURE, Deployment, deploy
from tests.snapshot import assert_snapshot
from tests.stack_files import STACKS, secrets_for, stack_config, valid, with_value

PROVIDER = "pulumi:providers:kubernetes"
CLUSTER_WIDE = ("kubernetes:core/v1:Namespace", "kubernetes:storage.k8s.io/v1:StorageClass")
RELEASE = "kubernetes:helm.sh/v3:Release"


def run() -> None:
    for name, value in program.build(settings.load()).items():
        pulumi.export(name, value)


def deployed(raw: dict[str, Any], *, preview: bool = False) -> Deployment:
    return deploy(run, {"settings": raw}, secrets_for(raw), preview=preview)


@pytest.mark.parametrize("stack", STACKS)
def test_the_identity_of_every_resource_is_as_recorded(stack: str) -> None:
    deployment = deployed(stack_config(stack))
    identities = sorted([r.type, r.name, r.parent] for r in deployment)
    text = yaml.safe_dump(identities, default_flow_style=None, width=200)
    assert_snapshot(f"identities/{stack}.yaml", text)


@pytest.mark.parametrize("stack", STACKS)
def test_preview_and_up_register_the_same_resources(stack: str) -> None:
    raw = stack_config(stack)
    preview = {(r.type, r.name) for r in deployed(raw, preview=True)}
    assert preview == {(r.type, r.name) for r in deployed(raw)}


@pytest.mark.parametrize("stack", STACKS)
def test_every_kubernetes_object_is_on_our_provider_and_in_a_namespace_of_ours(stack: str) -> None:
    deployment = deployed(stack_config(stack))
    ours = {r.inputs["metadata"]["name"] for r in deployment.of("kubernetes:core/v1:Namespace")}
    for registration in deployment:
        if registration.type.startswith("kubernetes:"):
            assert f"{PROVIDER}::kubernetes::" in registration.provider, registration.name
            if registration.type == RELEASE:
                assert registration.inputs["namespace"] in {*ours, "kube-system"}
            elif registration.type not in CLUSTER_WIDE:
                assert registration.inputs["metadata"]["namespace"] in ours


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_is_registered_in_clear_anywhere(stack: str) -> None:
    raw = stack_config(stack)
    values = [value for secret in secrets_for(raw).values() for value in _leaves(secret)]
    for registration in deployed(raw):
        clear = str(without_secrets(registration.inputs))
        assert not [value for value in values if value in clear], registration.name


def _leaves(secret: Any) -> list[str]:
    return list(secret.values()) if isinstance(secret, dict) else [secret]


def without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {} if SECRET_SIGNATURE in value else {k: without_secrets(v) for k, v in value.items()}
    return [without_secrets(child) for child in value] if isinstance(value, list) else value


def test_a_tenants_clear_key_appears_in_no_registration_even_opened() -> None:
    raw = valid()
    for registration in deployed(raw):
        for key in secrets_for(raw)["tenant_keys"].values():
            assert key not in str(registration.manifest), registration.name


def test_where_an_autoscaler_owns_the_count_the_deployment_has_none() -> None:
    deployment = deployed(valid())
    scalers = deployment.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler")
    scaled = {r.manifest["spec"]["scaleTargetRef"]["name"] for r in scalers}
    assert scaled == {"chat-v1", "chat-v2", "gateway"}
    for registration in deployment.of("kubernetes:apps/v1:Deployment"):
        has_count = "replicas" in registration.manifest["spec"]
        assert has_count is (registration.manifest["metadata"]["name"] not in scaled)


def test_moving_traffic_changes_only_the_gateways_config_and_deployment() -> None:
    before = {(r.type, r.name): r.manifest for r in deployed(valid())}
    after = {
        (r.type, r.name): r.manifest
        for r in deployed(with_value("models.chat.traffic", {"v1": 10, "v2": 90}))
    }
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        ("kubernetes:core/v1:ConfigMap", "gateway-config"),
        ("kubernetes:apps/v1:Deployment", "gateway-deployment"),
    }


def test_a_version_without_traffic_is_deployed_but_not_routed() -> None:
    deployment = deployed(with_value("models.chat.traffic", {"v1": 100}))
    assert deployment.one("kubernetes:apps/v1:Deployment", "chat-v2-deployment")
    config_map = deployment.one("kubernetes:core/v1:ConfigMap", "gateway-config").manifest
    config = yaml.safe_load(config_map["data"]["config.yaml"])
    routed = {(entry["model_name"], entry["model_info"]["id"]) for entry in config["model_list"]}
    assert ("chat", "chat-v1") in routed
    assert ("chat", "chat-v2") not in routed
    assert ("chat-v2", "chat-v2") in routed, "standby is callable by its own id"


def test_mistakes_stop_the_program_before_any_resource_and_are_all_told() -> None:
    raw = with_value("models.chat.fallbacks", ["chat"], with_value("modles", {}))
    with pytest.raises(pulumi.RunError) as stopped:
        deployed(raw)
    assert str(stopped.value).splitlines() == [
        "2 mistakes in the stack file:",
        "  modles: unknown key; did you mean models?",
        "  models.chat.fallbacks: names the model itself; name another model",
    ]


def test_a_secret_given_in_clear_stops_the_program() -> None:
    raw = valid()
    secrets = secrets_for(raw)
    clear = {"openai_api_key": secrets.pop("openai_api_key")}
    with pytest.raises(pulumi.RunError, match="llmserve:openai_api_key: is given in clear"):
        deploy(run, {"settings": raw}, secrets, clear=clear)


def test_a_tenant_without_a_key_stops_the_program() -> None:
    raw = valid()
    secrets = secrets_for(raw)
    del secrets["tenant_keys"]["batch"]
    with pytest.raises(pulumi.RunError, match=r"llmserve:tenant_keys\.batch: is missing"):
        deploy(run, {"settings": raw}, secrets)


def test_two_tenants_with_one_key_stop_the_program_which_does_not_tell_the_key() -> None:
    raw = valid()
    secrets = secrets_for(raw)
    secrets["tenant_keys"] |= {"batch": f"sk-new-of-a-test {secrets['tenant_keys']['search']}"}
    with pytest.raises(pulumi.RunError) as stopped:
        deploy(run, {"settings": raw}, secrets)
    paths = ("llmserve:tenant_keys.batch", "llmserve:tenant_keys.search")
    assert all(path in str(stopped.value) for path in paths)
    assert "of-a-test" not in str(stopped.value)


def test_a_stack_without_settings_is_told_what_is_missing() -> None:
    with pytest.raises(pulumi.RunError, match="llmserve:settings: is missing"):
        deploy(run, {}, {})


def test_the_outputs_name_every_model_with_its_versions_and_weights() -> None:
    outputs = deployed(valid()).outputs
    assert outputs["models"]["chat"]["v1"] == {
        "engine": "vllm",
        "pool": "l4",
        "weight_percent": 90,
        "service": "chat-v1.llmserve",
        "replicas": {"min": 1, "max": 2},
    }
    assert outputs["models"]["openai"] == {"openai": {"engine": "openai", "weight_percent": 100}}
    assert outputs["gateway"] == {
        "service": "gateway.llmserve",
        "port": 80,
        "url": "http://gateway.llmserve:80",
    }


def test_a_recorder_run_of_one_stack_takes_less_than_two_seconds() -> None:
    raw = stack_config("prod")
    deployed(raw)
    start = time.process_time()  # not the time others take on this machine
    deployed(raw)
    assert time.process_time() - start < 2


def test_the_gateway_waits_for_routers_and_a_router_for_its_engine() -> None:
    raw = valid()
    raw["models"]["chat"]["balancing"] = {}
    deployment = deployed(raw)
    kind = "kubernetes:apps/v1:Deployment"
    routers = {"chat-v1-router-deployment", "chat-v2-router-deployment"}
    assert routers <= {*deployment.one(kind, "gateway-deployment").dependencies}
    assert "chat-v1-deployment" in deployment.one(kind, "chat-v1-router-deployment").dependencies
    assert "chat-v1-router-role-binding" in deployment.one(kind, "chat-v1-router-deployment").dependencies


@pytest.mark.parametrize("stack", STACKS)
def test_no_service_holds_a_place_that_the_workload_it_waits_for_may_need(stack: str) -> None:
    services = deployed(stack_config(stack)).of("kubernetes:core/v1:Service")
    assert services
    for service in services:
        assert service.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true", service.name
