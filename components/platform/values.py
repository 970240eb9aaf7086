"""Helm values by chart. Pure: values that only a deployment knows come in as arguments and pass through.

Every path is checked against the chart's own values (tests/unit/test_chart_values.py).
"""

from typing import Any

from components import naming, quantity
from components.platform import service_accounts
from components.platform.service_accounts import PlatformServiceAccount
from components.platform.spec import PlatformSpec, PrometheusStackSpec

GRAFANA_SECRET = "grafana-admin"  # noqa: S105 - the name of a Secret
GRAFANA_USER_KEY, GRAFANA_PASSWORD_KEY = "admin-user", "admin-password"
ALERTMANAGER_SECRET = "alertmanager-config"  # noqa: S105 - the name of a Secret
DASHBOARD_LABEL = "grafana_dashboard"
PROMETHEUS_SERVICE = "prometheus-operated"
"""Made by the operator in front of every Prometheus it runs, whatever the release is called."""
PROMETHEUS_PORT = 9090
ALERTMANAGER_STORAGE = "2Gi"
"""Silences and notifications of 5 days (our choice)."""
_USED_PERCENT = 85
"""Of its volume that Prometheus fills before it drops the oldest data (Prometheus' storage documentation)."""
_EVERYWHERE = [{"operator": "Exists"}]
"""A pool may carry further taints; what runs on each GPU node has to get past all of them."""
_HIDDEN = ("kubeControllerManager", "kubeEtcd", "kubeProxy", "kubeScheduler")
"""EKS runs the first, second and fourth where nobody can scrape them; kube-proxy listens on loopback only."""
_HIDDEN_RULES = (
    "etcd",
    "kubeControllerManager",
    "kubeProxy",
    "kubeSchedulerAlerting",
    "kubeSchedulerRecording",
)


def device_plugin(spec: PlatformSpec) -> dict[str, Any]:
    """NVIDIA device plugin: on labelled GPU nodes but those that bring their own plugin."""
    wanted = [{"key": naming.GPU_PRESENT_LABEL, "operator": "In", "values": ["true"]}]
    if spec.pools_with_own_plugin:
        own = sorted(spec.pools_with_own_plugin)
        wanted.append({"key": naming.POOL_LABEL, "operator": "NotIn", "values": own})
    terms = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "tolerations": _EVERYWHERE,
    }


def dcgm_exporter(spec: PlatformSpec) -> dict[str, Any]:
    """GPU metrics: on every GPU node, which the chart's own values do not reach.

    Labels are honoured: `namespace` and `pod` are then those of the pod that holds the GPU.
    """
    return {
        "nodeSelector": {naming.GPU_PRESENT_LABEL: "true"},
        "tolerations": _EVERYWHERE,
        "serviceMonitor": {"enabled": spec.monitors, "honorLabels": True, "interval": "15s"},
    }


def kube_prometheus_stack(stack: PrometheusStackSpec) -> dict[str, Any]:
    """Prometheus that sees every monitor and rule of the cluster, without what EKS hides."""
    return {
        "defaultRules": {"rules": dict.fromkeys(_HIDDEN_RULES, False)},
        **{component: {"enabled": False} for component in _HIDDEN},
        "prometheus": {"prometheusSpec": _prometheus(stack)},
        "alertmanager": {"alertmanagerSpec": _alertmanager(stack)},
        "grafana": _grafana(stack),
    }


def load_balancer_controller(
    spec: PlatformSpec, *, cluster_name: Any, region: Any, vpc_id: Any
) -> dict[str, Any]:
    """AWS Load Balancer Controller. Region and VPC are said: pods cannot ask the node's metadata service.

    Services of type LoadBalancer stay with whoever else looks after them.
    """
    return {
        "clusterName": cluster_name,
        "region": region,
        "vpcId": vpc_id,
        "replicaCount": spec.replicas,
        "podDisruptionBudget": {"maxUnavailable": 1},
        "serviceAccount": _account(service_accounts.AWS_LOAD_BALANCER_CONTROLLER),
        "enableServiceMutatorWebhook": False,
    }


def keda(spec: PlatformSpec) -> dict[str, Any]:
    """KEDA, for the models' namespace alone."""
    one_at_a_time = {"maxUnavailable": 1}
    return {
        "watchNamespace": spec.models_namespace,
        "operator": {"replicaCount": spec.replicas},
        "metricsServer": {"replicaCount": spec.replicas},
        "podDisruptionBudget": {"operator": one_at_a_time, "metricServer": one_at_a_time},
    }


def metrics_server(spec: PlatformSpec) -> dict[str, Any]:
    """metrics-server, for CPU and memory of HorizontalPodAutoscalers."""
    budget = {"podDisruptionBudget": {"enabled": True, "minAvailable": 1}} if spec.replicas > 1 else {}
    return {"replicas": spec.replicas, **budget}


def karpenter(spec: PlatformSpec, *, cluster_name: Any, interruption_queue: Any) -> dict[str, Any]:
    """Karpenter; each replica needs a node of its own. Without a queue it hears of no spot interruption."""
    queue = {} if interruption_queue is None else {"interruptionQueue": interruption_queue}
    return {
        "replicas": spec.replicas,
        "serviceAccount": _account(service_accounts.KARPENTER),
        "settings": {"clusterName": cluster_name, **queue},
    }


def cluster_autoscaler(spec: PlatformSpec, *, cluster_name: Any, region: Any) -> dict[str, Any]:
    """Cluster Autoscaler, which finds the node groups by their tags.

    It may remove nodes with local storage and system pods: every engine has an emptyDir, and a GPU node that
    stays because of one costs more than a cache.
    """
    return {
        "autoDiscovery": {"clusterName": cluster_name},
        "awsRegion": region,
        "cloudProvider": "aws",
        "fullnameOverride": "cluster-autoscaler",
        "replicaCount": spec.replicas,
        "rbac": {"serviceAccount": _account(service_accounts.CLUSTER_AUTOSCALER)},
        "extraArgs": {
            "balance-similar-node-groups": True,
            "expander": "least-waste",
            "skip-nodes-with-local-storage": False,
            "skip-nodes-with-system-pods": False,
        },
    }


def external_secrets(spec: PlatformSpec) -> dict[str, Any]:
    """External Secrets Operator with its CRDs."""
    return {
        "installCRDs": True,
        "replicaCount": spec.replicas,
        "leaderElect": spec.replicas > 1,
        "serviceAccount": _account(service_accounts.EXTERNAL_SECRETS),
    }


def _prometheus(stack: PrometheusStackSpec) -> dict[str, Any]:
    kinds = ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor")
    size = quantity.gibibytes(stack.storage_gib)
    return {
        # else Prometheus sees only what carries the release's own label
        **{f"{kind}SelectorNilUsesHelmValues": False for kind in kinds},
        "replicas": stack.replicas,
        "retention": f"{stack.retention_days}d",
        "retentionSize": f"{stack.storage_gib * 1024 * _USED_PERCENT // 100}MiB",
        "resources": {
            "requests": {
                "cpu": quantity.cpu(stack.cpu_millicores),
                "memory": quantity.mebibytes(stack.memory_mib),
            },
            "limits": {"memory": quantity.mebibytes(stack.memory_mib)},
        },
        "storageSpec": _volume(size, stack.storage_class),
    }


def _alertmanager(stack: PrometheusStackSpec) -> dict[str, Any]:
    own = {"useExistingSecret": True, "configSecret": ALERTMANAGER_SECRET}
    return {
        "replicas": stack.replicas,
        "storage": _volume(ALERTMANAGER_STORAGE, stack.storage_class),
        **(own if stack.own_alertmanager_config else {}),
    }


def _grafana(stack: PrometheusStackSpec) -> dict[str, Any]:
    if not stack.grafana:
        return {"enabled": False}
    return {
        "enabled": True,
        "admin": {
            "existingSecret": GRAFANA_SECRET,
            "userKey": GRAFANA_USER_KEY,
            "passwordKey": GRAFANA_PASSWORD_KEY,
        },
        "sidecar": {"dashboards": {"label": DASHBOARD_LABEL, "labelValue": "1", "searchNamespace": "ALL"}},
        "grafana.ini": {"analytics": {"check_for_updates": False, "reporting_enabled": False}},
    }


def _volume(size: str, storage_class: str | None) -> dict[str, Any]:
    named = {} if storage_class is None else {"storageClassName": storage_class}
    spec = {"accessModes": ["ReadWriteOnce"], **named, "resources": {"requests": {"storage": size}}}
    return {"volumeClaimTemplate": {"spec": spec}}


def _account(account: PlatformServiceAccount) -> dict[str, Any]:
    return {"create": True, "name": account.name}
