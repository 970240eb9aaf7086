"""The only place where a manifest becomes a resource."""

import re
from collections.abc import Callable, Mapping, Sequence

import pulumi
from pulumi_kubernetes import apiextensions, apps, autoscaling, core, networking, policy, rbac, storage

from components.external_secrets import external_secret, is_remote
from components.spec import Manifest

_CLASSES: Mapping[tuple[str, str], Callable[..., pulumi.CustomResource]] = {
    ("apps/v1", "Deployment"): apps.v1.Deployment,
    ("apps/v1", "StatefulSet"): apps.v1.StatefulSet,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): autoscaling.v2.HorizontalPodAutoscaler,
    ("networking.k8s.io/v1", "Ingress"): networking.v1.Ingress,
    ("networking.k8s.io/v1", "NetworkPolicy"): networking.v1.NetworkPolicy,
    ("policy/v1", "PodDisruptionBudget"): policy.v1.PodDisruptionBudget,
    ("rbac.authorization.k8s.io/v1", "Role"): rbac.v1.Role,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): rbac.v1.RoleBinding,
    ("storage.k8s.io/v1", "StorageClass"): storage.v1.StorageClass,
    ("v1", "ConfigMap"): core.v1.ConfigMap,
    ("v1", "LimitRange"): core.v1.LimitRange,
    ("v1", "Namespace"): core.v1.Namespace,
    ("v1", "PersistentVolumeClaim"): core.v1.PersistentVolumeClaim,
    ("v1", "ResourceQuota"): core.v1.ResourceQuota,
    ("v1", "Secret"): core.v1.Secret,
    ("v1", "Service"): core.v1.Service,
    ("v1", "ServiceAccount"): core.v1.ServiceAccount,
}

_NEEDED_BY_PODS = (
    "ConfigMap",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
)
_WORKLOADS = ("Deployment", "StatefulSet")


def register(name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Register one manifest; kinds without a typed class become a CustomResource.

    A Secret with values from elsewhere becomes the ExternalSecret that makes it, under the same name.

    Nothing waits for a Service: it would be ready once a pod is, and the workload that makes the pod is
    waited for anyway. Pulumi works on four resources a core at once, so that eight Services that wait on two
    cores would leave no place for the Deployment they wait for.
    """
    if is_remote(manifest):
        manifest = external_secret(manifest)
    api_version, kind = manifest["apiVersion"], manifest["kind"]
    if kind == "Service":
        annotations = {**manifest["metadata"].get("annotations", {}), "pulumi.com/skipAwait": "true"}
        manifest = {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}
    fields = {_snake(key): value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    typed = _CLASSES.get((api_version, kind))
    if typed is not None:
        return typed(name, opts=opts, **fields)
    return apiextensions.CustomResource(name, api_version=api_version, kind=kind, opts=opts, **fields)


def placed(manifest: Manifest, namespace: pulumi.Input[str]) -> Manifest:
    """The manifest in a namespace that comes as a value, so that the engine knows the edge to it."""
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def name_of(resource: pulumi.CustomResource) -> pulumi.Output[str]:
    """The name Kubernetes knows a registered object by, once it is known."""
    metadata: pulumi.Output[dict[str, str]] = getattr(resource, "metadata")  # noqa: B009 - typed classes share no base with it
    return metadata["name"]


def namespace_of(resource: pulumi.CustomResource) -> pulumi.Output[str]:
    """The namespace a registered object is in, once the object is there."""
    metadata: pulumi.Output[dict[str, str]] = getattr(resource, "metadata")  # noqa: B009 - as above
    return metadata["namespace"]


def register_all(
    parent: pulumi.Resource,
    name: str,
    manifests: Mapping[str, Manifest],
    namespace: pulumi.Input[str],
    kinds_from: Sequence[pulumi.Resource] = (),
    pods_after: Sequence[pulumi.Resource] = (),
) -> dict[str, pulumi.CustomResource]:
    """Register manifests as `<name>-<key>` in their order.

    A workload also waits for what its pods need before they start, which no value of its own carries,
    and for `pods_after`. What is of no kind of Kubernetes' own waits for `kinds_from`, which bring its kind.
    """
    resources: dict[str, pulumi.CustomResource] = {}
    for key, manifest in manifests.items():
        workload = manifest["kind"] in _WORKLOADS
        before = [made for other, made in resources.items() if manifests[other]["kind"] in _NEEDED_BY_PODS]
        foreign = (manifest["apiVersion"], manifest["kind"]) not in _CLASSES
        resources[key] = register(
            f"{name}-{key}",
            placed(manifest, namespace),
            pulumi.ResourceOptions(
                parent=parent,
                depends_on=[*((*before, *pods_after) if workload else ()), *(kinds_from if foreign else ())],
            ),
        )
    return resources


def _snake(key: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower()
