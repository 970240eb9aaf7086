"""Secrets whose values only the cluster reads: what stands in for them, and what it asks for."""

import pytest
import yaml

from components import external_secrets
from components.external_secrets import RemoteValue, external_secret, secret_store
from components.gateway.keys import keys_template
from components.gateway.manifests import provider_secret, tenant_keys_secret
from components.platform.manifests import grafana_secret
from components.redis_manifests import accounts_template
from infra.secret_keys import required_secrets, secret_names, secrets_region
from tests.snapshot import assert_snapshot
from tests.stack_files import eks_valid, with_value
from tests.unit.gateway_examples import model, spec, tenant
from tests.unit.test_platform_settings import settings_of

SOURCE = {"source": "external-secrets", "prefix": "acme/test/"}


def remote(name: str, template: str = external_secrets.PLAIN) -> RemoteValue:
    return RemoteValue(name=f"acme/test/{name}", template=template)


def test_all_manifests_are_as_recorded() -> None:
    gateway = spec()
    secrets = [
        provider_secret(gateway, {"LITELLM_MASTER_KEY": remote("gateway_master_key"), "K": remote("openai")}),
        tenant_keys_secret(gateway, remote("tenant_keys", keys_template(gateway.model))),
        grafana_secret(remote("grafana_admin_password")),
    ]
    made = [secret_store("llmserve", "us-west-2"), *map(external_secret, secrets)]
    assert_snapshot("gateway/external-secrets.yaml", yaml.safe_dump_all(made, sort_keys=False))


def test_the_secret_keeps_its_name_keys_labels_and_constants() -> None:
    secret = grafana_secret(remote("grafana_admin_password"))
    made = external_secret(secret)
    assert made["metadata"] == secret["metadata"]
    assert "name" not in made["spec"]["target"], "the Secret is called as the ExternalSecret is"
    template = made["spec"]["target"]["template"]
    assert template["data"].keys() == secret["stringData"].keys()
    assert template["data"]["admin-user"] == "admin"
    assert template["metadata"]["labels"] == secret["metadata"]["labels"]
    assert [each["remoteRef"]["key"] for each in made["spec"]["data"]] == ["acme/test/grafana_admin_password"]


def test_a_secret_whose_values_the_program_has_is_left_as_it_is() -> None:
    assert not external_secrets.is_remote(grafana_secret("in-clear"))
    assert not external_secrets.is_remote({"kind": "ConfigMap", "data": {}})
    assert external_secrets.is_remote(grafana_secret(remote("x")))


def test_keys_and_passwords_are_hashed_before_they_become_a_secret() -> None:
    for template in (keys_template(spec().model), accounts_template()):
        assert "sha256sum" in template
        assert external_secrets.PLAIN not in template
    two = keys_template(model(tenants=(tenant("a"), tenant("b"))))
    assert [f'get $keys "{name}"' in two for name in ("a", "b", "c")] == [True, True, False]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (
            SOURCE,
            [
                f"acme/test/{key}-??????"
                for key in ("gateway_master_key", "grafana_admin_password", "openai_api_key", "tenant_keys")
            ],
        ),
        ({"source": "config", "prefix": "acme/own/"}, ["acme/own/*"]),
    ],
    ids=["the stack's own, by name", "any below the prefix, for objects of your own"],
)
def test_the_operator_may_read(source: dict[str, str], names: list[str]) -> None:
    assert secret_names(settings_of(with_value("secrets", source, eks_valid()))) == names


def test_nothing_is_asked_of_the_stack_file_and_the_region_is_the_clusters() -> None:
    settings = settings_of(with_value("secrets", SOURCE, eks_valid()))
    assert required_secrets(settings) == {}
    assert secrets_region(settings) == "us-west-2"
    assert secrets_region(settings_of(eks_valid())) is None
