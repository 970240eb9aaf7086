"""The component of the stack's own Redis."""

from dataclasses import dataclass, replace

import pulumi

from components import kube
from components.external_secrets import RemoteValue
from components.redis_manifests import (
    NAME,
    accounts_document,
    accounts_secret,
    accounts_template,
    redis_manifests,
)
from components.spec import RedisSpec


@dataclass(frozen=True, kw_only=True)
class RedisArgs:
    """What it is made of."""

    spec: RedisSpec
    namespace: pulumi.Input[str]
    password: pulumi.Output[str] | RemoteValue
    """In clear; only its hash reaches Redis."""


class Redis(pulumi.ComponentResource):
    """One Redis in the cluster that shares limits and cooldowns between the gateway's replicas.

    Type token: llmserve:gateway:Redis. Creates StatefulSet with a volume, Service, ServiceAccount,
    NetworkPolicy and the Secret with the hash of its password. Protects nothing: what it holds are counters.
    """

    def __init__(self, name: str, args: RedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:gateway:Redis", name, None, opts)
        password = args.password
        accounts = (
            replace(password, template=accounts_template())
            if isinstance(password, RemoteValue)
            else password.apply(accounts_document)
        )
        manifests = {"accounts": accounts_secret(args.spec, accounts), **redis_manifests(args.spec)}
        kube.register_all(self, name, manifests, args.namespace)
        self.register_outputs({"host": NAME})
