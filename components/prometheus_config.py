"""What the stack's own Prometheus scrapes and computes. Pure."""

from typing import Any

from components.spec import PrometheusSpec, RecordingRule

PORT = 9090
CONFIG_FOLDER = "/etc/prometheus"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_POD = "__meta_kubernetes_pod"


def prometheus_config(spec: PrometheusSpec) -> dict[str, Any]:
    """Return prometheus.yml: every running pod of the namespace that has the annotation prometheus.io/scrape.

    Series carry namespace, pod, node and the pod's labels of ours under their Prometheus names, such as
    app_kubernetes_io_instance and llmserve_dev_model, which KEDA's queries and the recording rules select by.
    """
    every = f"{spec.scrape_interval_seconds}s"
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [f"{CONFIG_FOLDER}/rules.yml"],
        "scrape_configs": [
            {
                "job_name": "pods",
                "kubernetes_sd_configs": [_discovery(spec.namespace)],
                "relabel_configs": _relabelling(),
            }
        ],
    }


def rules_config(rules: tuple[RecordingRule, ...]) -> dict[str, Any]:
    """Return rules.yml: each rule as a series that autoscalers read as an external metric."""
    if not rules:
        return {"groups": []}
    entries = [{"record": rule.name, "expr": rule.query, "labels": dict(rule.labels)} for rule in rules]
    return {"groups": [{"name": "llmserve", "rules": entries}]}


def _discovery(namespace: str) -> dict[str, Any]:
    """In-cluster discovery, said in full: what the program would find at fixed paths is then visible."""
    return {
        "role": "pod",
        "namespaces": {"names": [namespace]},
        "api_server": "https://kubernetes.default.svc",
        "authorization": {"credentials_file": f"{_ACCOUNT}/token"},
        # of the names in the API server's certificate the one that is not an address
        "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt", "server_name": "kubernetes"},
    }


def _relabelling() -> list[dict[str, Any]]:
    note = f"{_POD}_annotation_prometheus_io"
    return [
        {"source_labels": [f"{note}_scrape"], "regex": "true", "action": "keep"},
        {"source_labels": [f"{_POD}_phase"], "regex": "Running", "action": "keep"},
        {"source_labels": [f"{note}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        {
            "source_labels": [f"{_POD}_ip", f"{note}_port"],
            "separator": ":",
            "target_label": "__address__",
        },
        {
            "regex": f"{_POD}_label_(app_kubernetes_io_(?:name|instance)|llmserve_dev_.+)",
            "replacement": "$1",
            "action": "labelmap",
        },
        *(
            {"source_labels": [source], "target_label": label}
            for source, label in (
                ("__meta_kubernetes_namespace", "namespace"),
                (f"{_POD}_name", "pod"),
                (f"{_POD}_node_name", "node"),
            )
        ),
    ]
