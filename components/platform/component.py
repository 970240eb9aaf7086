"""The component of the platform: third-party charts and what they need."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import helm

from components import kube
from components.external_secrets import RemoteValue, secret_store
from components.platform import manifests
from components.platform.charts import charts
from components.platform.releases import (
    AFTER,
    EXTERNAL_SECRETS,
    PROMETHEUS_STACK,
    ClusterNames,
    namespace_of,
    release_values,
)
from components.platform.spec import PlatformSpec

HISTORY = 5
"""Revisions Helm keeps of a release; the way back is the stack file's (our choice)."""


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """What the platform is made of."""

    spec: PlatformSpec
    cluster_name: pulumi.Input[str] | None = None
    region: pulumi.Input[str] | None = None
    vpc_id: pulumi.Input[str] | None = None
    interruption_queue: pulumi.Input[str] | None = None
    """SQS queue of spot interruptions, for Karpenter."""
    grafana_password: pulumi.Input[str] | RemoteValue | None = None
    """Of Grafana's administrator; needed with Grafana."""
    alertmanager_config: pulumi.Input[str] | RemoteValue | None = None
    """alertmanager.yaml; needed with `own_alertmanager_config`."""
    secrets_region: str | None = None
    """Region where External Secrets Operator reads the values of Secrets; None = the program has them."""
    after: Sequence[pulumi.Resource] = ()
    """What has to be there before any pod of the platform: nodes, add-ons, Pod Identity associations."""


class Platform(pulumi.ComponentResource):
    """Charts below the models, each a Helm release of one pinned version.

    Type token: llmserve:platform:Platform. Creates a Release per chart, the namespaces they live in, and
    where asked for a StorageClass, Grafana's password and Alertmanager's configuration, with a SecretStore
    where these come from AWS. A release that fails
    is taken back. Protects nothing: volumes of Prometheus outlive its release, but not its namespace.
    """

    installed: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:platform:Platform", name, None, opts)
        spec = args.spec
        names = ClusterNames(
            cluster_name=args.cluster_name,
            region=args.region,
            vpc_id=args.vpc_id,
            interruption_queue=args.interruption_queue,
        )
        values = release_values(spec, names)
        children = pulumi.ResourceOptions(parent=self)
        places: dict[str, pulumi.Input[str]] = {
            namespace: kube.name_of(kube.register(f"{name}-namespace-{namespace}", manifest, children))
            for namespace, manifest in manifests.namespaces(spec, values).items()
        }
        storage = (
            [kube.register(f"{name}-storage-class", manifests.storage_class(), children)]
            if spec.storage_class
            else []
        )
        self._releases: dict[str, pulumi.Resource] = {}
        for release, given in values.items():
            before = self.ready(*AFTER.get(release, ()))
            if release == PROMETHEUS_STACK:
                before += [*storage, *self._monitoring_secrets(name, args, places)]
            namespace = namespace_of(release, spec)
            self._releases[release] = helm.v3.Release(
                f"{name}-{release}",
                _release(release, places.get(namespace, namespace), given),
                pulumi.ResourceOptions(parent=self, depends_on=[*args.after, *before]),
            )
        self.installed = pulumi.Output.from_input({release: charts()[release].version for release in values})
        self.register_outputs({"installed": self.installed})

    def ready(self, *releases: str) -> list[pulumi.Resource]:
        """What to depend on for the kinds and webhooks of these releases; nothing for those not installed."""
        return [self._releases[release] for release in releases if release in self._releases]

    def _monitoring_secrets(
        self, name: str, args: PlatformArgs, places: dict[str, pulumi.Input[str]]
    ) -> list[pulumi.Resource]:
        stack, namespace = args.spec.prometheus_stack, args.spec.monitoring_namespace
        wanted = {}
        if stack and stack.grafana:
            wanted["grafana-admin"] = manifests.grafana_secret(
                _given(args.grafana_password, "grafana_password")
            )
        if stack and stack.own_alertmanager_config:
            config = _given(args.alertmanager_config, "alertmanager_config")
            wanted["alertmanager-config"] = manifests.alertmanager_secret(config)
        store = self._store(name, args, places[namespace]) if wanted else []
        return [
            kube.register(
                f"{name}-{key}",
                kube.placed(manifest, places[namespace]),
                pulumi.ResourceOptions(parent=self, depends_on=store),
            )
            for key, manifest in wanted.items()
        ]

    def _store(self, name: str, args: PlatformArgs, namespace: pulumi.Input[str]) -> list[pulumi.Resource]:
        """Where the operator looks for the Secrets of the monitoring namespace; nothing without it."""
        if args.secrets_region is None:
            return []
        store = kube.placed(secret_store(args.spec.monitoring_namespace, args.secrets_region), namespace)
        after = pulumi.ResourceOptions(parent=self, depends_on=self.ready(EXTERNAL_SECRETS))
        return [kube.register(f"{name}-secret-store", store, after)]


def _given(value: pulumi.Input[str] | RemoteValue | None, name: str) -> pulumi.Input[str] | RemoteValue:
    if value is None:
        raise ValueError(f"PlatformArgs.{name} is needed")
    return value


def _release(release: str, namespace: pulumi.Input[str], values: dict[str, object]) -> helm.v3.ReleaseArgs:
    """A failed install or upgrade is taken back, so that the next `up` starts from a known state."""
    chart = charts()[release]
    repository = {} if chart.repository is None else {"repo": chart.repository}
    return helm.v3.ReleaseArgs(
        name=release,
        chart=chart.chart,
        version=chart.version,
        repository_opts=helm.v3.RepositoryOptsArgs(**repository) if repository else None,
        namespace=namespace,
        values=values,
        atomic=True,
        cleanup_on_fail=True,
        timeout=chart.timeout_seconds,
        max_history=HISTORY,
    )
