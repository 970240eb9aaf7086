"""Rules on going on when a pod, a node, a zone or a provider is lost."""

from collections.abc import Iterator, Mapping

from planner.checklist.broken import Broken, Check
from planner.checklist.facts import ModelFacts, StackFacts, VersionFacts


def _single_replica(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.has_traffic and version.min_replicas < 2:
            yield Broken(
                version.path,
                f"keeps {version.min_replicas} replica: while it is replaced or its node goes, none answers",
                "keep two or more (scaling.min, replicas)",
            )


def _no_second_answer(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        serving = _serving(facts, model)
        alone = len(serving) == 1 and serving[0].min_replicas < 2
        if alone and not model.has_fallback:
            yield Broken(
                model.path,
                "has one replica of one version and no fallback: each restart is an outage of minutes",
                "keep two replicas, or name fallbacks",
            )


def _no_fallback(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        if not model.has_fallback:
            yield Broken(
                f"{model.path}.fallbacks",
                "is empty: when all its replicas fail, clients get the error",
                "name another model or an external provider",
            )


def _gateway(facts: StackFacts) -> Iterator[Broken]:
    if facts.gateway_min_replicas < 2:
        yield Broken(
            "gateway.replicas.min",
            f"is {facts.gateway_min_replicas}: while that pod is replaced, no model answers",
            "make it 2 or more",
        )


def _zones(facts: StackFacts) -> Iterator[Broken]:
    if facts.zones == 1:
        yield Broken(
            "cluster.availability_zones",
            "is 1: the loss of one zone stops everything",
            "use two or more",
        )


def _autoscaling(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        if not model.autoscaled:
            yield Broken(
                f"{model.path}.scaling",
                "is not given: the count of replicas stays, whatever load comes",
                "give scaling: {min, max}",
            )


def _adapter(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        if model.needs_metrics_adapter:
            yield Broken(
                f"{model.path}.scaling.via",
                "is hpa with metrics that only an adapter serves; prometheus-adapter is given up by its "
                "makers, and without one nothing scales",
                "use via: keda, or make sure that the metrics API has an owner",
            )


def _revision(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.revision_pinned is False:
            yield Broken(
                f"{version.path}.revision",
                "is not given: the next start may load other weights than the last",
                "give the commit of the weights' repository",
            )


def _weights(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.weights_source == "hub" and not version.weights_kept:
            yield Broken(
                f"{version.path}.cache",
                "is lost with the pod, and weights come from a public registry: each start needs it to be up",
                "keep them (cache: {kind: pvc}), or copy them to a bucket and name it: s3://...",
            )


def _spot(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        serving = _serving(facts, model)
        on_spot = serving and all(version.capacity == "spot" for version in serving)
        if on_spot and not model.has_fallback_off_spot:
            yield Broken(
                model.path,
                "runs on spot nodes only, which may all go within two minutes, and nothing else answers then",
                "put one version with traffic on on-demand nodes, or name a fallback that is there",
            )


def _budget(facts: StackFacts) -> Iterator[Broken]:
    for external in facts.externals:
        if not external.has_budget:
            yield Broken(
                f"{external.path}.daily_budget_usd",
                "is not given: a failing model sends all its requests there, at any price",
                "give what a day may cost",
            )


def _deletion(facts: StackFacts) -> Iterator[Broken]:
    if facts.deletion_protected is False:
        yield Broken(
            "cluster.deletion_protection",
            "is off: one command removes the cluster",
            "switch it on",
        )


def _data(facts: StackFacts) -> Iterator[Broken]:
    if facts.data_protected is False:
        yield Broken(
            "cluster.protect_data",
            "is off: `pulumi destroy` takes cluster, keys, logs and weights with it",
            "switch it on",
        )


def _serving(facts: StackFacts, model: ModelFacts) -> list[VersionFacts]:
    return [version for version in facts.versions if version.model == model.name and version.has_traffic]


RULES: Mapping[str, Check] = {
    "single-replica": _single_replica,
    "no-second-answer": _no_second_answer,
    "model-without-fallback": _no_fallback,
    "single-gateway-replica": _gateway,
    "single-zone": _zones,
    "model-without-autoscaling": _autoscaling,
    "scaling-needs-adapter": _adapter,
    "weights-not-pinned": _revision,
    "weights-not-kept": _weights,
    "spot-only": _spot,
    "external-without-budget": _budget,
    "deletion-not-protected": _deletion,
    "data-not-protected": _data,
}
