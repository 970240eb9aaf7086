"""Rules on speed and on staying quick under load."""

from collections.abc import Iterator, Mapping

from planner.checklist.broken import Broken, Check
from planner.checklist.facts import StackFacts


def _context(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if not version.max_model_len_given:
            yield Broken(
                f"{version.path}.max_model_len",
                "is not given, so that the weights' own length decides how much of a GPU one request takes",
                "give the longest prompt plus answer that clients need",
            )


def _batch(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if not version.max_num_seqs_given:
            yield Broken(
                f"{version.path}.max_num_seqs",
                "is not given, so that the engine's default decides how many requests share the GPU",
                "give the number that keeps time per token within its objective",
            )


def _queue(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.queue_bounded is False and version.has_traffic:
            yield Broken(
                f"{version.path}.flags",
                "lets requests queue without end: under overload all time out, and none is sent elsewhere",
                "bound the queue (vLLM: max-num-queued-reqs), so that what is over goes to a fallback",
            )


def _prefix(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.prefix_caching is False:
            yield Broken(
                f"{version.path}.prefix_caching",
                "is off: prompts with a common beginning are computed again each time",
                "leave it on, unless tenants must not learn from timing what others asked",
            )


def _signals(facts: StackFacts) -> Iterator[Broken]:
    for model in facts.models:
        if model.autoscaled and model.follows_cpu_only:
            yield Broken(
                f"{model.path}.scaling",
                "follows CPU alone, which stays low while the GPU is full",
                "follow waiting requests: preset queue, on an engine that measures them",
            )


def _measured(facts: StackFacts) -> Iterator[Broken]:
    for version in facts.versions:
        if version.has_traffic and not version.throughput_measured:
            yield Broken(
                f"{version.path}.measured",
                "is not given: capacity and cost rest on an estimate",
                "run a load test against this version and write down what it showed",
            )


RULES: Mapping[str, Check] = {
    "context-length-unset": _context,
    "batch-size-unset": _batch,
    "queue-unbounded": _queue,
    "prefix-caching-off": _prefix,
    "scaling-on-cpu-only": _signals,
    "throughput-not-measured": _measured,
}
