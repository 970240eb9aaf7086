"""The platform of a cluster of our own, and all that is of a chart's kind; settings are in settings.json."""

import json
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from components import kube
from components.platform.component import Platform, PlatformArgs
from components.platform.monitoring import Monitoring, MonitoringArgs
from components.platform.releases import KEDA, PROMETHEUS_STACK
from components.serving.scaling_manifests import scaler
from infra.mistakes import parse
from infra.resolve import version_specs
from infra.resolve_charts import ClusterFacts, monitoring_manifests, platform_spec
from infra.resolve_gateway import gateway_spec

settings, findings = parse(json.loads(Path("settings.json").read_text(encoding="utf-8")))
if settings is None or findings:
    raise pulumi.RunError(str(findings))
facts = ClusterFacts(provisioned=True, autoscaler="cluster-autoscaler")
versions = version_specs(settings)
opts = pulumi.ResourceOptions(providers=[k8s.Provider("kubernetes")])
word = pulumi.Config().require_secret("word")
platform = Platform(
    "platform",
    PlatformArgs(
        spec=platform_spec(settings, facts),
        cluster_name="of-a-test",
        region="us-west-2",
        vpc_id="vpc-0123456789abcdef0",
        grafana_password=word,
        alertmanager_config=word,
    ),
    opts,
)
place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace}}
namespace = kube.name_of(kube.register("namespace", place, opts))
for spec in versions:
    if spec.scaling:
        scaled = scaler(spec.name, spec.namespace, {}, spec.scaling)
        after = pulumi.ResourceOptions(depends_on=platform.ready(KEDA))
        kube.register(
            f"scaler-{spec.name}",
            kube.placed(scaled, namespace),
            pulumi.ResourceOptions.merge(opts, after),
        )
watched = monitoring_manifests(settings, facts, versions, gateway_spec(settings))
Monitoring(
    "monitoring",
    MonitoringArgs(manifests=watched, namespace=namespace, after=platform.ready(PROMETHEUS_STACK)),
    opts,
)
