"""Wires the platform below the models, and what watches them; `infra.program` says where in the order."""

from collections.abc import Sequence

import pulumi

from components.gateway.model import GatewaySpec
from components.platform.component import Platform, PlatformArgs
from components.platform.monitoring import Monitoring, MonitoringArgs
from components.platform.releases import PROMETHEUS_STACK, ClusterNames, release_names
from components.spec import VersionSpec
from infra.resolve_charts import cluster_facts, monitoring_manifests, platform_spec
from infra.secret_keys import secrets_region
from infra.settings import Stack


def install_platform(
    stack: Stack,
    opts: pulumi.ResourceOptions,
    names: ClusterNames | None = None,
    after: Sequence[pulumi.Resource] = (),
) -> Platform | None:
    """Install the charts the stack file asks for; None when it asks for none.

    `names` are those of a cluster the program makes, `after` what its pods and charts need first; an existing
    cluster's are in the stack file.
    """
    settings, secrets = stack.settings, stack.secrets
    spec = platform_spec(settings, cluster_facts(settings))
    if not release_names(spec):
        return None
    given, asked = settings.platform.aws_cluster, settings.platform.prometheus_stack
    if names is None and given:
        names = ClusterNames(cluster_name=given.cluster_name, region=given.region, vpc_id=given.vpc_id)
    names = names or ClusterNames()
    return Platform(
        "platform",
        PlatformArgs(
            spec=spec,
            cluster_name=names.cluster_name,
            region=names.region,
            vpc_id=names.vpc_id,
            interruption_queue=names.interruption_queue,
            grafana_password=secrets.get(asked.grafana_password),
            alertmanager_config=secrets.get(asked.alertmanager_config or ""),
            secrets_region=secrets_region(settings),
            after=after,
        ),
        opts,
    )


def ready(platform: Platform | None, *releases: str) -> list[pulumi.Resource]:
    """What to depend on for these releases; nothing for those that are not installed by us."""
    return platform.ready(*releases) if platform else []


def watch_models(
    stack: Stack,
    versions: Sequence[VersionSpec],
    gateway: GatewaySpec,
    namespace: pulumi.Input[str],
    platform: Platform | None,
    opts: pulumi.ResourceOptions,
) -> None:
    """Make monitors, alerts and dashboard, as far as the stack file asks for them."""
    manifests = monitoring_manifests(stack.settings, cluster_facts(stack.settings), versions, gateway)
    if manifests:
        Monitoring(
            "monitoring",
            MonitoringArgs(manifests=manifests, namespace=namespace, after=ready(platform, PROMETHEUS_STACK)),
            opts,
        )
