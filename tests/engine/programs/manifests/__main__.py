"""Registers what resources.json says: "resources": {name: manifest} and, all optional, "provider": settings,
"options": {name: resource options}, "after": {name: [names]}, "unknown_kubeconfig": bool, "chart": name.

The text "<secret>" in a manifest becomes the secret setting `word`.
"""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

order = json.loads(Path("resources.json").read_text(encoding="utf-8"))
settings = order.get("provider", {})
if order.get("unknown_kubeconfig"):
    first = k8s.core.v1.Namespace("first", metadata={"name": "unknown-until-up"})
    text = Path(settings["kubeconfig"]).read_text(encoding="utf-8")
    settings["kubeconfig"] = pulumi.Output.all(first.metadata["uid"], text).apply(lambda pair: pair[1])
provider = k8s.Provider("cluster", **settings)


def filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return pulumi.Config().require_secret("word") if value == "<secret>" else value


if "chart" in order:
    k8s.helm.v4.Chart("chart", chart=order["chart"], opts=pulumi.ResourceOptions(provider=provider))
made: dict[str, pulumi.CustomResource] = {}
for name, manifest in order["resources"].items():
    version = manifest["apiVersion"]
    token = manifest.pop(
        "type", f"kubernetes:{version if '/' in version else 'core/' + version}:{manifest['kind']}"
    )
    options = order.get("options", {}).get(name, {})
    if "custom_timeouts" in options:
        options["custom_timeouts"] = pulumi.CustomTimeouts(**options["custom_timeouts"])
    after = [made[other] for other in order.get("after", {}).get(name, [])]
    outputs = dict.fromkeys(["metadata", "status", "data", "spec"])
    made[name] = pulumi.CustomResource(
        token,
        name,
        {**outputs, **filled(manifest)},
        pulumi.ResourceOptions(provider=provider, depends_on=after, **options),
    )
    pulumi.export(name, made[name].id)
